import { Cause, Effect, Layer, Logger, Predicate, References } from "effect"
import { type LogLevel, Settings } from "../Config.ts"
import { withoutSecrets } from "../domain/Token.ts"

/**
 * The log, on standard output: one JSON object a line in production, one readable line in
 * development. Lines of one turn of the event loop leave in one write.
 */
export const layer = Layer.unwrap(
  Effect.map(Settings, ({ logLevel, production }) =>
    logLevel === "silent"
      ? Layer.merge(Logger.layer([]), Layer.succeed(References.MinimumLogLevel, "None"))
      : Layer.merge(
          Logger.layer([logger(production ? asJson : asText, writeBuffered)]),
          Layer.succeed(References.MinimumLogLevel, levels[logLevel])
        )
  )
)

const levels = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  fatal: "Fatal"
} as const satisfies Record<Exclude<LogLevel, "silent">, string>

interface Line {
  readonly time: string
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly cause: string | undefined
}

/** A logger that renders each entry with `render` and hands the line, without any secret of ours, to `write`. */
export const logger = (
  render: (line: Line) => string,
  write: (line: string) => void
): Logger.Logger<unknown, void> =>
  Logger.make(({ cause, date, fiber, logLevel, message }) => {
    const fields: Record<string, unknown> = { ...fiber.getRef(References.CurrentLogAnnotations) }
    const words: Array<string> = []
    for (const part of Array.isArray(message) ? message : [message]) {
      if (Predicate.isError(part)) words.push(`${part.name}: ${part.message}`)
      else if (Predicate.isObject(part)) Object.assign(fields, part)
      else words.push(String(part))
    }
    write(
      withoutSecrets(
        render({
          time: date.toISOString(),
          level: logLevel.toLowerCase(),
          message: words.join(" "),
          fields,
          cause: cause.reasons.length === 0 ? undefined : Cause.pretty(cause)
        })
      )
    )
  })

export const asJson = ({ cause, fields, level, message, time }: Line): string =>
  JSON.stringify({ time, level, message, ...fields, cause })

export const asText = ({ cause, fields, level, message, time }: Line): string => {
  let text = `${time.slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${message}`
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) text += ` ${name}=${typeof value === "string" ? value : JSON.stringify(value)}`
  }
  return cause === undefined ? text : `${text}\n${cause}`
}

let waiting = ""

const flush = (): void => {
  if (waiting === "") return
  process.stdout.write(waiting)
  waiting = ""
}

const writeBuffered = (line: string): void => {
  if (waiting === "") setImmediate(flush)
  waiting += `${line}\n`
}

// What a process says last is what matters most.
process.once("exit", flush)
