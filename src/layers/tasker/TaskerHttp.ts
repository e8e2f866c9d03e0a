import { type Dispatcher, errors, Pool } from "@effect/platform-node/Undici"
import { type Clock, Effect, type Scope } from "effect"

/**
 * One HTTP exchange, built on undici's `dispatch` rather than on a client above it, for one question
 * that decides whether a write may be called undone: did any byte of it leave? undici calls
 * `onRequestStart` right before it writes to a socket, so a request that failed without that call was
 * not sent, whatever the error says. Clients above hide the call.
 *
 * Redirects are not followed (undici's core does not), nothing is retried, and connections are kept
 * alive for somewhat less long than Node servers keep theirs (5 s), so that few are stale when used.
 */
export interface Request {
  readonly method: "GET" | "POST" | "PATCH" | "PUT"
  /** From the root of the origin, with the query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

export interface Reply {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  /** Empty where an answer other than a success was longer than is read of one. */
  readonly body: Uint8Array
  readonly sentAt: bigint
}

/**
 * Why there is no response. All but `NotSent` leave open whether the request was executed; `sentAt` is the
 * latest moment at which its last byte can have left this process: monotonic clock, nanoseconds.
 */
export type Broken =
  | { readonly _tag: "NotSent"; readonly because: string }
  | { readonly _tag: "TimedOut"; readonly afterMillis: number; readonly sentAt: bigint }
  | { readonly _tag: "Cut"; readonly sentAt: bigint }
  /** The response is longer than 8 MiB. */
  | { readonly _tag: "TooLong"; readonly sentAt: bigint }
  /** The response is not HTTP. */
  | { readonly _tag: "Unreadable"; readonly because: string; readonly sentAt: bigint }

export interface Transport {
  /** Ends within the timeout. An interruption aborts the request. */
  exchange(request: Request, timeoutMillis: number): Effect.Effect<Reply, Broken>
  /** Whether an answer of any status begins within the timeout. Its body is not read. */
  knock(request: Request, timeoutMillis: number): Effect.Effect<boolean>
}

const mebibyte = 1024 * 1024
const longestSuccess = 8 * mebibyte
/** Of an answer other than a success, only the few fields of an error are of use. */
const longestError = mebibyte / 16
const longestConnect = 3000
/** A request of this length fits any socket's send buffer, so it leaves the process when it is written. */
const sentAtOnce = 8 * 1024

export const make = (
  origin: string,
  options: { readonly connections: number; readonly connectTimeoutMillis?: number }
): Effect.Effect<Transport, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(
      () =>
        new Pool(origin, {
          connections: options.connections,
          connectTimeout: Math.min(longestConnect, options.connectTimeoutMillis ?? longestConnect),
          // A pipelined request is written again by undici when one before it fails.
          pipelining: 1,
          allowH2: false,
          // The exchange has one timer for the whole; undici's own count from byte to byte.
          headersTimeout: 0,
          bodyTimeout: 0
        })
    ),
    (pool) => Effect.promise(() => pool.destroy())
  ).pipe(
    Effect.map((pool) => ({
      exchange: (request, timeoutMillis) =>
        Effect.clockWith((clock) =>
          Effect.callback<Reply, Broken>((resume) => {
            const exchange = new Exchange(request, timeoutMillis, clock, {
              onReply: (reply) => resume(Effect.succeed(reply)),
              onBroken: (broken) => resume(Effect.fail(broken))
            })
            dispatch(pool, request, exchange)
            return Effect.sync(() => exchange.abandon())
          })
        ),
      knock: (request, timeoutMillis) =>
        Effect.clockWith((clock) =>
          Effect.callback<boolean>((resume) => {
            const exchange = new Exchange(request, timeoutMillis, clock, {
              onStatus: () => {
                exchange.abandon()
                resume(Effect.succeed(true))
              },
              onReply: () => resume(Effect.succeed(true)),
              onBroken: () => resume(Effect.succeed(false))
            })
            dispatch(pool, request, exchange)
            return Effect.sync(() => exchange.abandon())
          })
        )
    }))
  )

const dispatch = (pool: Pool, request: Request, exchange: Exchange): void => {
  pool.dispatch(
    {
      method: request.method,
      path: request.path,
      headers: request.headers,
      body: request.body ?? null
    },
    exchange
  )
}

interface Listener {
  readonly onStatus?: () => void
  readonly onReply: (reply: Reply) => void
  readonly onBroken: (broken: Broken) => void
}

class Exchange implements Dispatcher.DispatchHandler {
  private controller: Dispatcher.DispatchController | undefined
  private sent = false
  private over = false
  private status = 0
  private headers: Reply["headers"] = {}
  private length = 0
  private readonly chunks: Array<Buffer> = []
  private readonly timer: NodeJS.Timeout
  private readonly isShort: boolean
  private readonly clock: Clock.Clock
  private readonly listener: Listener
  private writtenAt: bigint | undefined
  private readonly sendUntil: bigint

  constructor({ body }: Request, timeoutMillis: number, clock: Clock.Clock, listener: Listener) {
    this.isShort = body === undefined || Buffer.byteLength(body) <= sentAtOnce
    this.clock = clock
    this.sendUntil = clock.monotonicTimeNanosUnsafe() + BigInt(Math.ceil(timeoutMillis)) * 1_000_000n
    this.listener = listener
    // A timer of its own, for what a timeout means depends on whether anything was sent, and only the
    // exchange knows that at the instant when it happens. Not `Clock`: what is timed is a real socket.
    this.timer = setTimeout(() => this.onTimeout(timeoutMillis), timeoutMillis)
  }

  /** Nobody waits any more: what is under way is aborted, what waits for a connection is never sent. */
  abandon(): void {
    if (this.over) return
    this.over = true
    clearTimeout(this.timer)
    this.controller?.abort(new Error("abandoned"))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Throwing, unlike aborting, cancels the request without costing the connection it was to use.
    if (this.over) throw new Error("abandoned before it was sent")
    if (this.sent) throw new Error("sent before")
    // A process that stood still goes on with its sockets before its timers fire.
    if (this.clock.monotonicTimeNanosUnsafe() > this.sendUntil) throw new Error("too late to be sent")
    this.sent = true
    this.controller = controller
    // undici writes in this same turn; a process that is suspended in between wrote when it went on.
    queueMicrotask(() => {
      this.writtenAt = this.clock.monotonicTimeNanosUnsafe()
    })
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Reply["headers"]): void {
    // Informational answers precede the one that counts.
    if (status < 200) return
    this.status = status
    this.headers = headers
    this.listener.onStatus?.()
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.over) return
    this.length += chunk.length
    if (this.status < 300 && this.length > longestSuccess) {
      this.breakOff({ _tag: "TooLong", sentAt: this.sentAt() })
    } else if (this.status >= 300 && this.length > longestError) {
      const reply = {
        status: this.status,
        headers: this.headers,
        body: new Uint8Array(),
        sentAt: this.sentAt()
      }
      this.abandon()
      this.listener.onReply(reply)
    } else {
      this.chunks.push(chunk)
    }
  }

  onResponseEnd(): void {
    if (this.over) return
    this.over = true
    clearTimeout(this.timer)
    const [only] = this.chunks
    const body =
      this.chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.chunks, this.length)
    this.listener.onReply({ status: this.status, headers: this.headers, body, sentAt: this.sentAt() })
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    if (!this.sent) this.breakOff({ _tag: "NotSent", because: whyNotSent(error) })
    else if (isNotHttp(error)) {
      this.breakOff({ _tag: "Unreadable", because: "its answer is not HTTP", sentAt: this.sentAt() })
    } else this.breakOff({ _tag: "Cut", sentAt: this.sentAt() })
  }

  private onTimeout(timeoutMillis: number): void {
    this.breakOff(
      this.sent
        ? { _tag: "TimedOut", afterMillis: timeoutMillis, sentAt: this.sentAt() }
        : { _tag: "NotSent", because: `no connection was free within ${timeoutMillis / 1000} s` }
    )
  }

  private sentAt(): bigint {
    return this.isShort && this.writtenAt !== undefined
      ? this.writtenAt
      : this.clock.monotonicTimeNanosUnsafe()
  }

  private breakOff(broken: Broken): void {
    if (this.over) return
    this.abandon()
    this.listener.onBroken(broken)
  }
}

/** Where the answer ends too early, llhttp reports it as if it were malformed; it was cut. */
const isNotHttp = (error: Error): boolean =>
  error instanceof errors.HeadersOverflowError ||
  (error instanceof errors.HTTPParserError && !error.message.includes("Invalid EOF state"))

const whyNotSent = (error: NodeJS.ErrnoException): string => {
  switch (error.code) {
    case "ECONNREFUSED":
      return "the connection was refused"
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "its host name could not be resolved"
    case "UND_ERR_CONNECT_TIMEOUT":
    case "ETIMEDOUT":
      return "connecting took too long"
    default:
      // A code names the kind of fault (of a certificate, say) and nothing else.
      return `no connection could be made${/^\w{1,50}$/.test(error.code ?? "") ? `: ${error.code}` : ""}`
  }
}
