import { connect, createServer, type Socket } from "node:net"
import { Effect, type Scope } from "effect"
import { frames, texts } from "../../support/postgres-proxy.ts"
import { joined, through } from "../../support/sockets.ts"
import type { Exchange, Trace, Watch } from "./Watch.ts"

/**
 * A way to PostgreSQL that takes each exchange whole, so that a call can be stopped at each of its
 * moments. The unit is what the protocol commits and answers as one: all messages up to a Sync, and all
 * answers up to ReadyForQuery (PostgreSQL, "Extended Query" in "Message Flow").
 *
 * A statement is of a call where one of its parameters names it: its key, its agent, its token. The
 * gateway's other business, such as recovery's look for what is due, shares the connections and passes.
 */
export interface DatabaseTap {
  readonly url: string
  /** Lets go what was held back, and holds nothing back any more. */
  readonly letGo: () => void
}

interface Message {
  readonly type: string
  readonly body: Buffer
  /** With type and length, as it came. */
  readonly whole: Buffer
}

/** What a frontend asks in one go. */
interface Cycle {
  /** Of which call it is what, where it is of one that is followed. */
  readonly followed: { readonly trace: Trace; readonly exchange: Exchange } | undefined
  readonly answers: Array<Buffer>
}

/** `held`: statements that are kept from PostgreSQL, unanswered, until they are let go. */
export const databaseTap = (
  target: string,
  watch: Watch,
  held?: RegExp
): Effect.Effect<DatabaseTap, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<DatabaseTap & { readonly close: Effect.Effect<void> }>((resume) => {
      const upstream = new URL(target)
      const sockets = new Set<Socket>()
      let holding = held
      let waiting: Array<() => void> = []

      const server = createServer((client) => {
        const backend = connect(Number(upstream.port), upstream.hostname)
        joined(client, backend, sockets)
        const statements = new Map<string, string>()
        const cycles: Array<Cycle> = []
        /** Whose transaction is open. */
        let transaction: Trace | undefined
        let asking: Array<Message> = []

        const ask = (messages: ReadonlyArray<Message>) => {
          const text = textOf(messages, statements)
          if (holding?.test(text) === true) {
            waiting.push(() => ask(messages))
            return
          }
          const trace =
            transaction ??
            messages.flatMap(({ body, type }) => (carries(type) ? (watch.owner(body) ?? []) : []))[0]
          // Its answer never comes: the connection is this call's until the gateway is dead.
          if (trace?.stopped() === true) return
          const followed = trace === undefined ? undefined : { trace, exchange: trace.statement(text) }
          if (followed?.trace.reached(followed.exchange, "asked") === true) return followed.trace.stand()
          cycles.push({ followed, answers: [] })
          backend.write(Buffer.concat(messages.map(({ whole }) => whole)))
        }

        const answer = ({ followed, answers }: Cycle, status: string) => {
          if (followed === undefined) return void client.write(Buffer.concat(answers))
          const { exchange, trace } = followed
          // I: idle. T and E: within a transaction, which may have failed.
          transaction = status === "I" ? undefined : trace
          if (trace.stopped()) return
          if (trace.reached(exchange, "carried out")) return trace.stand()
          const last = trace.reached(exchange, "answered")
          client.write(Buffer.concat(answers), () => {
            if (last) trace.stand()
          })
        }

        client.on(
          "data",
          frames({ startup: true }, (type, body, whole) => {
            asking.push({ type, body, whole })
            // The startup message and what authenticates are no exchanges, and end in no Sync.
            if (!ends(type)) return
            const messages = asking
            asking = []
            if (type === "Q" || type === "S") ask(messages)
            else backend.write(Buffer.concat(messages.map(({ whole }) => whole)))
          })
        )
        backend.on(
          "data",
          frames({ startup: false }, (type, body, whole) => {
            const [cycle] = cycles
            if (cycle === undefined) return void client.write(whole)
            cycle.answers.push(whole)
            if (type !== "Z") return
            cycles.shift()
            answer(cycle, body.toString("latin1"))
          })
        )
      })
      server.listen(0, "127.0.0.1", () => {
        resume(
          Effect.succeed({
            url: through(server, target),
            letGo: () => {
              holding = undefined
              const all = waiting
              waiting = []
              for (const go of all) go()
            },
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

/** Bind holds a statement's parameters; a simple query its text with all that stands in it. */
const carries = (type: string): boolean => type === "B" || type === "Q"

/** Parse, Bind, Close, Describe, Execute and Flush wait for the Sync that ends them. */
const ends = (type: string): boolean => !["P", "B", "C", "D", "E", "H"].includes(type)

/** The text of what is executed; of a statement that was prepared before it is known by its name. */
const textOf = (messages: ReadonlyArray<Message>, statements: Map<string, string>): string => {
  let text = ""
  for (const { body, type } of messages) {
    if (type === "P") {
      const [name, query] = texts(body)
      statements.set(name, query)
    } else if (type === "B") {
      text = statements.get(texts(body)[1]) ?? text
    } else if (type === "Q") {
      text = texts(body)[0]
    }
  }
  return text
}
