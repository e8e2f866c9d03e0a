/** A Tasker that answers every call at once with the same card and keeps nothing: for `bench/calls.ts` only. */
import { createServer } from "node:http"

const project_id = process.env.PROJECT_ID ?? ""
const done = "6f0c1c9e-5a0b-4b8e-9d57-6a4f0c0e1a2b"

const issue = (id: string, name: string) => ({
  id,
  project_id,
  sequence_id: 1,
  identifier: "OPS-1",
  name,
  description_html: "<p>Some text.</p>",
  priority: "none",
  state_id: done,
  label_ids: [],
  assignee_ids: [],
  start_date: null,
  target_date: null,
  parent_id: null,
  created_at: "2026-11-24T10:11:12.123456Z",
  updated_at: "2026-11-24T10:11:12.123456Z",
  url: "http://tasker.example/OPS-1"
})

const context = {
  project: { id: project_id, name: "Operations", identifier: "OPS", workspace_slug: "nodedc" },
  states: [{ id: done, name: "Done", group: "completed", color: "#000", default: true }],
  labels: [],
  members: []
}

const server = createServer((request, response) => {
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () => {
    const url = new URL(request.url ?? "/", "http://tasker")
    const sent = chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString())
    const [, id = crypto.randomUUID()] = /\/issues\/([0-9a-f-]{36})/.exec(url.pathname) ?? []
    const asked = url.searchParams.get("issue_id") ?? id
    const body = url.pathname.endsWith("/context")
      ? context
      : request.method === "GET"
        ? { results: [issue(asked, "Bench")], next_cursor: null, total_count: 1 }
        : { issue: issue(id, sent.name ?? "Bench") }
    response.writeHead(request.method === "POST" && url.pathname.endsWith("/issues") ? 201 : 200, {
      "content-type": "application/json"
    })
    response.end(JSON.stringify(body))
  })
})

server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  if (typeof address === "object" && address !== null)
    process.stdout.write(`http://127.0.0.1:${address.port}\n`)
})
process.once("SIGTERM", () => process.exit(0))
