import { connect, createServer, type Socket } from "node:net"
import { Effect } from "effect"
import { joined, through } from "./sockets.ts"

/**
 * A PostgreSQL proxy that reads the protocol (PostgreSQL, chapter 55): it says which statements really
 * went over the wire, and breaks a connection at the one instant that a test is about.
 */
export interface PostgresProxy {
  readonly url: string
  /** The texts of the statements executed since the last look, in order. */
  readonly executed: Effect.Effect<ReadonlyArray<string>>
  /** Breaks the connections of the next statements that match. */
  readonly breakOn: (rule: BreakRule) => Effect.Effect<void>
  /** How often the rule has struck. */
  readonly broken: Effect.Effect<number>
  readonly mend: Effect.Effect<void>
}

export interface BreakRule {
  /** Of the statement's text. */
  readonly statement: RegExp
  /** `before`: PostgreSQL never gets it. `after`: it is committed, and the reply is lost. */
  readonly when: "before" | "after"
  readonly times: number
  /** Matches that are let through before. */
  readonly skip?: number
}

export const postgresProxy = (target: string) =>
  Effect.acquireRelease(
    Effect.callback<PostgresProxy & { readonly close: Effect.Effect<void> }>((resume) => {
      const upstream = new URL(target)
      const sockets = new Set<Socket>()
      let executed: Array<string> = []
      let rule: BreakRule | undefined
      let left = 0
      let skip = 0
      let broken = 0

      const strikes = (text: string): BreakRule["when"] | undefined => {
        if (rule === undefined || left === 0 || !rule.statement.test(text)) return undefined
        if (skip > 0) {
          skip -= 1
          return undefined
        }
        left -= 1
        broken += 1
        return rule.when
      }

      const server = createServer((client) => {
        const backend = connect(Number(upstream.port), upstream.hostname)
        const both = [client, backend]
        joined(client, backend, sockets)
        const statements = new Map<string, string>()
        const portals = new Map<string, string>()
        let withholding = false

        /** Whether the message may go on to PostgreSQL. */
        const onFrontend = (type: string, body: Buffer): boolean => {
          let text: string | undefined
          if (type === "P") {
            const [name, query] = texts(body)
            statements.set(name, query)
          } else if (type === "B") {
            const [portal, statement] = texts(body)
            portals.set(portal, statement)
          } else if (type === "E") {
            text = statements.get(portals.get(texts(body)[0]) ?? "")
          } else if (type === "Q") {
            text = texts(body)[0]
          }
          if (text === undefined) return true
          const strike = strikes(text)
          if (strike === "before") {
            for (const socket of both) socket.destroy()
            return false
          }
          executed.push(text)
          withholding ||= strike === "after"
          return true
        }

        client.on(
          "data",
          frames({ startup: true }, (type, body, whole) => {
            if (onFrontend(type, body)) backend.write(whole)
          })
        )
        backend.on(
          "data",
          frames({ startup: false }, (type, _, whole) => {
            if (!withholding) client.write(whole)
            // ReadyForQuery: what the statement did is committed.
            else if (type === "Z") for (const socket of both) socket.destroy()
          })
        )
      })
      server.listen(0, "127.0.0.1", () => {
        resume(
          Effect.succeed({
            url: through(server, target),
            executed: Effect.sync(() => {
              const seen = executed
              executed = []
              return seen
            }),
            breakOn: (next) =>
              Effect.sync(() => {
                rule = next
                left = next.times
                skip = next.skip ?? 0
                broken = 0
              }),
            broken: Effect.sync(() => broken),
            mend: Effect.sync(() => {
              rule = undefined
            }),
            close: Effect.callback<void>((done) => {
              for (const socket of sockets) socket.destroy()
              server.close(() => done(Effect.void))
            })
          })
        )
      })
    }),
    ({ close }) => close
  )

/** The two first null-terminated texts of a message. */
export const texts = (body: Buffer): [string, string] => {
  const first = body.indexOf(0)
  const second = body.indexOf(0, first + 1)
  return [body.toString("utf8", 0, first), second < 0 ? "" : body.toString("utf8", first + 1, second)]
}

/** Cuts a stream into messages. Only a client's first has no type: length, then the rest. */
export const frames = (
  options: { readonly startup: boolean },
  onMessage: (type: string, body: Buffer, whole: Buffer) => void
) => {
  let rest: Buffer = Buffer.alloc(0)
  let startup = options.startup
  return (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (;;) {
      const head = startup ? 0 : 1
      if (rest.length < head + 4) return
      const end = head + rest.readInt32BE(head)
      if (rest.length < end) return
      const whole = rest.subarray(0, end)
      rest = rest.subarray(end)
      onMessage(startup ? "" : String.fromCharCode(whole[0] ?? 0), whole.subarray(head + 4), whole)
      startup = false
    }
  }
}
