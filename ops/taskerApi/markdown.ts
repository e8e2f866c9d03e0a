import { promises } from "../../src/cli/taskerCheck/promises.ts"
import { errorCodes, errorTable, type Form, type Row } from "../../src/layers/tasker/errorTable.ts"
import {
  apiPath,
  CallHeaders,
  type Endpoint,
  type EndpointName,
  endpoints,
  WriteHeaders
} from "../../src/layers/tasker/taskerApi.ts"
import { type Example, examples, headers, named } from "./examples.ts"
import { type Json, jsonSchemaOf } from "./jsonSchema.ts"

/** `docs/TASKER_API.md`: the ten calls for those who write the other side. */

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ")
const code = (value: unknown): string =>
  `\`${cell(typeof value === "string" ? value : JSON.stringify(value))}\``

const table = (titles: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [
    `| ${titles.join(" | ")} |`,
    `| ${titles.map(() => "---").join(" | ")} |`,
    ...rows.map((row) => `| ${row.join(" | ")} |`)
  ].join("\n")

const typeOf = (schema: Json): string => {
  if (typeof schema.$ref === "string") {
    const name = schema.$ref.slice(schema.$ref.lastIndexOf("/") + 1)
    return `[${name}](#${name.toLowerCase()})`
  }
  if (Array.isArray(schema.enum)) return schema.enum.map(code).join(" ")
  if (Array.isArray(schema.anyOf)) return schema.anyOf.map((part) => typeOf(part as Json)).join(" or ")
  if (schema.items !== undefined) return `list of ${typeOf(schema.items as Json)}`
  const bounds = schema.minimum === undefined ? "" : ` ${schema.minimum}–${schema.maximum}`
  const kind = schema.format === "uuid" ? "uuid" : undefined
  const types = [schema.type].flat().map((type) => (type === "string" && kind !== undefined ? kind : type))
  return `${types.join(" or ")}${bounds}`
}

type Properties = Readonly<Record<string, Json>>

/** The rows of a struct's fields; those of objects in it follow with their path. */
const rowsOf = (schema: Json, example: unknown, above = ""): ReadonlyArray<ReadonlyArray<string>> => {
  const required = (schema.required ?? []) as ReadonlyArray<string>
  const values = (example ?? {}) as Json
  return Object.entries((schema.properties ?? {}) as Properties).flatMap(([name, field]) => {
    const nested = (field.items ?? field) as Json
    const [value] =
      field.items === undefined ? [values[name]] : [(values[name] as ReadonlyArray<unknown>)?.[0]]
    const inner = nested.properties === undefined ? [] : rowsOf(nested, value, `${above}${name}.`)
    const shown = inner.length > 0 || typeof nested.$ref === "string" || values[name] === undefined
    return [
      [
        code(above + name),
        inner.length > 0 ? (field.items === undefined ? "object" : "list of objects") : typeOf(field),
        required.includes(name) ? "" : "yes",
        shown ? "" : code(values[name]),
        cell(String(field.description ?? ""))
      ],
      ...inner
    ]
  })
}

const fieldTable = (schema: Parameters<typeof jsonSchemaOf>[0], example: unknown): string =>
  table(["field", "type", "optional", "example", ""], rowsOf(jsonSchemaOf(schema).schema, example))

const pick = (all: Json, names: ReadonlyArray<string> | undefined): Json =>
  names === undefined ? all : Object.fromEntries(names.map((name) => [name, all[name]]))

const json = (value: unknown): string => JSON.stringify(value, null, 2)

/** A request with its response, as they go over the wire. */
const exchangeOf = ({ body, method, path, query, status, writes }: Endpoint, example: Example): string => {
  const filled = path.replace(/:(\w+)/g, (_, name: string) => example.parameters?.[name] ?? "")
  const asked = query === undefined ? "" : pick(example.query ?? {}, example.asked)
  const search = asked === "" ? "" : `?${new URLSearchParams(asked as Record<string, string>)}`
  const sent = Object.entries(headers).filter(([name]) => name !== "Idempotency-Key" || writes)
  return [
    "```http",
    `${method} ${apiPath}${filled}${search} HTTP/1.1`,
    ...sent.map(([name, value]) => `${name}: ${value}`),
    ...(body === undefined
      ? []
      : ["Content-Type: application/json", "", json(pick(example.body ?? {}, example.asked))]),
    "```",
    "",
    "```http",
    `HTTP/1.1 ${status} ${status === 201 ? "Created" : "OK"}`,
    "Content-Type: application/json",
    "",
    json(example.response),
    "```"
  ].join("\n")
}

const notes: Partial<Record<EndpointName, string>> = {
  resolveProject: "An unknown project, and one that the owner can't see, are 404.",
  projectContext: "List every state, label and member. The gateway keeps the response for ten seconds.",
  listIssues:
    "A look-up (`issue_id`, `identifier`, `external_id`) that finds nothing is an empty list, not 404. Order by `created_at`, newest first: edits then move no card over the border of a page. Archived cards are not listed.",
  createIssue:
    "Keep the response under `Idempotency-Key` and give it again if the key comes again. Without that, answer an `external_id` that exists with 409 and its `id`.",
  addComment:
    "Keep the response under `Idempotency-Key` and give it again if the key comes again. Without that, answer an `external_id` that exists on the card with 409 and its `id`.",
  updateIssue:
    "Compare `expected_updated_at` and write in one transaction. Write only the fields that were sent: whole rows undo what somebody else writes at the same moment.",
  setAssignees:
    "Refuse a set with somebody who can't be assigned. Leaving the person out empties the set of those who were assigned before.",
  listComments: "This call is newer than the others. A Tasker without it answers 404 or 405."
}

const section = (name: EndpointName, endpoint: Endpoint): string => {
  const example = examples[name]
  const { body, method, parameters, path, query, response, title } = endpoint
  const note = notes[name]
  const described = body === undefined ? undefined : jsonSchemaOf(body).schema.description
  return [
    `### \`${method} ${path}\``,
    `${title}.${note === undefined ? "" : ` ${note}`}`,
    exchangeOf(endpoint, example),
    ...(parameters === undefined ? [] : ["Path:", fieldTable(parameters, example.parameters)]),
    ...(query === undefined ? [] : ["Query:", fieldTable(query, example.query)]),
    ...(body === undefined
      ? []
      : [`Body:${described === undefined ? "" : ` ${described}`}`, fieldTable(body, example.body)]),
    "Response:",
    fieldTable(response, example.response)
  ].join("\n\n")
}

const meanings: Record<Row["means"], string> = {
  rejected: "`tasker.rejected`: correct the request",
  unauthorized: "`tasker.unauthorized`: the operator corrects the gateway's bearer",
  no_access: "`tasker.rejected`: the gateway's account, or the owner, has no access",
  owner_not_member: "`grant.owner_not_member`: the owner is no member of the project",
  not_found: "`tasker.not_found`",
  no_such_call: "`tasker.unsupported`: this Tasker has no such call",
  conflict: "`tasker.conflict`: the gateway reads the card and compares",
  exists: "done before: the gateway reads what has this `id`",
  rate_limited: "`tasker.rate_limited`: called again after `Retry-After`",
  unclear:
    "nothing by itself: the gateway looks at once, and takes it for refused if the look is complete and shows none"
}

const formOf = (form: Form): string => {
  switch (form._tag) {
    case "Text":
      return form.texts.length > 1
        ? `\`${form.field}\` is a code of the list`
        : `\`${form.field}\` is ${form.texts.map(code).join("")}`
    case "AnyError":
      return "`error` is any text but a reason phrase of HTTP"
    case "ErrorWithId":
      return "`error` is any text, `id` a UUID"
    case "Fields":
      return "every key is a field of the request or `non_field_errors`; values are lists or objects"
    case "ErrorCode":
      return `\`error_code\` is ${code(form.code)}`
  }
}

const callsOf: Record<Row["calls"], string> = {
  all: "",
  make: "create, comment",
  other: "all but create, comment"
}

const errors = table(
  ["status", "body", "calls", "means", "example"],
  errorTable.map(({ calls, example, form, means, statuses }) => [
    statuses.join(", "),
    cell(formOf(form)),
    callsOf[calls],
    cell(meanings[means]),
    code(example)
  ])
)

const objects = (): string => {
  const all: Record<string, Json> = {}
  for (const { body, response } of Object.values(endpoints) as ReadonlyArray<Endpoint>) {
    for (const schema of [body, response]) {
      if (schema !== undefined) Object.assign(all, jsonSchemaOf(schema).definitions)
    }
  }
  return Object.entries(all)
    .filter(([name]) => named[name] !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([name, schema]) =>
        `### ${name}\n\n${table(["field", "type", "optional", "example", ""], rowsOf(schema, named[name]))}`
    )
    .join("\n\n")
}

const create = examples.createIssue.body

export const markdown = (): string => `# Tasker API

The ten calls that the gateway makes to Tasker, for those who write the other side. Written by \`npm run docs\` from the schemas by which the gateway sends and reads; \`npm run check\` fails if it is not current. For tools: [tasker-openapi.json](tasker-openapi.json) (OpenAPI 3.1).

## Check your Tasker

\`\`\`bash
export NODEDC_TASKER_INTERNAL_URL=http://127.0.0.1:8090 NODEDC_INTERNAL_ACCESS_TOKEN=…
export SMOKE_WORKSPACE_SLUG=nodedc SMOKE_PROJECT_ID=${examples.projectContext.parameters?.project_id}
npm run tasker:check                 # reads only
npm run tasker:check -- --write      # makes, changes, repeats and races cards in that project
npm run tasker:check -- --verbose    # shows every request and response
npm run tasker:check -- --json       # for programs
\`\`\`

| exit code | |
| --- | --- |
| 0 | nothing is wrong; a call may work without something |
| 1 | a call is wrong, or was not reached |
| 2 | a variable or flag is missing, Tasker can't be reached, or it refuses the bearer |

The check acts for \`SMOKE_OWNER_USER_ID\` and \`SMOKE_OWNER_EMAIL\`, or for the first member with role 15 or more and an e-mail address.

## One call by hand

\`\`\`bash
curl -sS "$NODEDC_TASKER_INTERNAL_URL${apiPath}/issues" \\
  -H "Authorization: Bearer $NODEDC_INTERNAL_ACCESS_TOKEN" \\
${["X-NodeDC-Agent-Id", "X-NodeDC-Owner-Id", "Idempotency-Key"].map((name) => `  -H '${name}: ${headers[name]}' \\`).join("\n")}
  -H 'Content-Type: application/json' \\
  -d '${JSON.stringify({ ...create, actor: { ...(create?.actor as object), agent_display_name: "Codex" } })}'
\`\`\`

## The calls

Base path: \`${apiPath}\` under \`NODEDC_TASKER_INTERNAL_URL\`. Bodies are JSON in UTF-8. Responses carry \`Content-Type: application/json\`. Redirects are not followed.

${table(
  ["call", "", "writes"],
  Object.values(endpoints).map(({ method, path, title, writes }) => [
    `[\`${method} ${path}\`](#${`${method}-${path}`.toLowerCase().replace(/[^\w-]/g, "")})`,
    title,
    writes ? "yes" : ""
  ])
)}

- Fields that Tasker adds to a response are ignored.
- A missing field that is not optional, or one of another type, is \`tasker.contract\`. For a write it is \`tasker.outcome_unknown\`.
- A response is at most 8 MiB, an error document at most 64 KiB.
- A call ends within \`TASKER_TIMEOUT_MS\`. A response that comes later is lost.

## Headers

${table(
  ["header", "calls", "example", ""],
  [
    ...rowsOf(jsonSchemaOf(CallHeaders).schema, headers).map(([name = "", , , example = "", text = ""]) => [
      name,
      "all",
      example,
      text
    ]),
    ...rowsOf(jsonSchemaOf(WriteHeaders).schema, headers).map(([name = "", , , example = "", text = ""]) => [
      name,
      "writes",
      example,
      text
    ])
  ]
)}

Of a response's headers the gateway reads \`Content-Type\`, and \`Retry-After\` of 429 and 5xx (\`Retry-After: 30\`, or an HTTP date).

## Errors

A refusal is an error status with a document of this closed table. The first row that fits decides. Further fields are ignored.

${errors}

Codes of \`error\`: ${errorCodes.map(code).join(", ")}.

| field | optional | example | |
| --- | --- | --- | --- |
| \`error\` | | \`invalid\` | code, compared to the letter |
| \`detail\` | yes | \`Start date is after target date.\` | one sentence; agents read it |
| \`fields\` | yes | \`{"start_date":["Too late."]}\` | faults by field; agents read them |
| \`id\` | yes | \`${headers["X-NodeDC-Agent-Id"]}\` | with 409 to a create or comment |

- An error status of a write with any other body leaves open whether it was executed, since a proxy can have answered. It is \`tasker.outcome_unknown\`, and the gateway looks before it sends again.
- 5xx is never a refusal. The write may have been executed.
- A read with such a body is \`tasker.contract\`, or \`tasker.unavailable\` for 5xx, which is retried.

## Promises

\`npm run tasker:check\` tries these. Each is optional: the gateway works without it, at this cost. A promise holds if no try broke it; one about the same moment can hold by chance.

${table(
  ["promise", "cost if it does not hold"],
  Object.entries(promises).map(([id, { cost, title }]) => [`\`${id}\` ${cell(title)}`, cell(cost)])
)}

## Call by call

${(Object.entries(endpoints) as ReadonlyArray<[EndpointName, Endpoint]>).map(([name, endpoint]) => section(name, endpoint)).join("\n\n")}

## Objects

${objects()}
`
