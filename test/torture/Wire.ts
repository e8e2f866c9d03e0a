import type { Listener } from "./TcpProxy.ts"

/** A request with a JSON body, as it was heard between a gateway and Tasker. */
export interface Heard {
  readonly method: string
  readonly path: string
  readonly body: Readonly<Record<string, unknown>>
}

export interface Hearing {
  /** Told of each request once it is whole. */
  readonly asked: (request: Heard) => string | undefined
  /** Told of the reply to what `asked` gave a name. */
  readonly answered: (name: string, reply: HeardReply) => void
}

export interface HeardReply {
  readonly status: number
  readonly isJson: boolean
  /** True if the gateway is given it. */
  readonly passed: boolean
}

/** Follows the HTTP/1.1 on one connection, on which each request waits for the reply to the one before. */
export const hear = ({ answered, asked }: Hearing): Listener => {
  let request = Buffer.alloc(0)
  let isAnswering = false
  let name: string | undefined
  return {
    asked: (chunk) => {
      if (isAnswering) request = Buffer.alloc(0)
      isAnswering = false
      request = Buffer.concat([request, chunk])
      const whole = requestIn(request)
      if (whole === undefined) return
      request = Buffer.alloc(0)
      name = asked(whole)
    },
    answered: (chunk, passed) => {
      if (isAnswering) return
      isAnswering = true
      const reply = /^HTTP\/1\.1 (\d{3})/.exec(chunk.subarray(0, 16).toString("latin1"))
      if (name === undefined || reply === null) return
      const head = chunk.toString("latin1").split("\r\n\r\n")[0] ?? ""
      answered(name, {
        status: Number(reply[1]),
        isJson: /\r\ncontent-type: *application\/json/i.test(head),
        passed
      })
      name = undefined
    }
  }
}

const requestIn = (bytes: Buffer): Heard | undefined => {
  const end = bytes.indexOf("\r\n\r\n")
  if (end < 0) return undefined
  const head = bytes.subarray(0, end).toString("latin1")
  const [method = "", path = ""] = head.split(" ", 2)
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? "0")
  const body = bytes.subarray(end + 4)
  if (body.length < length) return undefined
  try {
    const json: unknown = length === 0 ? {} : JSON.parse(body.subarray(0, length).toString("utf8"))
    return { method, path, body: typeof json === "object" && json !== null ? { ...json } : {} }
  } catch {
    return { method, path, body: {} }
  }
}
