import { Agent, request } from "node:http"

/** One HTTP request, with the check that its response is a success. */
export interface Call {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: () => string
  readonly succeeded: (text: string) => boolean
}

const send = (agent: Agent, origin: string, { body, headers, path, succeeded }: Call): Promise<number> =>
  new Promise((done, failed) => {
    const text = body()
    const outgoing = request(
      `${origin}${path}`,
      {
        agent,
        method: "POST",
        headers: {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(text),
          ...headers
        }
      },
      (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("error", failed)
        response.on("end", () => {
          const received = Buffer.concat(chunks)
          const said = received.toString()
          if (response.statusCode === 200 && succeeded(said)) done(received.length)
          else failed(new Error(`${path} answered ${response.statusCode}: ${said}`))
        })
      }
    )
    outgoing.on("error", failed)
    outgoing.end(text)
  })

const connections = 16

/** Sends calls on 16 connections for so long. Rejects with the first call that fails. */
export const load = async (origin: string, call: Call, milliseconds: number) => {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const end = performance.now() + milliseconds
  let calls = 0
  let bytes = 0
  const caller = async () => {
    do {
      const length = await send(agent, origin, call)
      bytes += length
      calls += 1
    } while (performance.now() < end)
  }
  try {
    await Promise.all(Array.from({ length: connections }, caller))
  } finally {
    agent.destroy()
  }
  return { calls, bytesEach: Math.round(bytes / calls) }
}
