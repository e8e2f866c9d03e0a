import { readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { Effect, Option, Redacted, Result } from "effect"
import { CliError, Flag, GlobalFlag } from "effect/cli"
import { variables } from "../Config.ts"
import { environment } from "../layers/environment.ts"
import { webUrl } from "../Variables.ts"
import { CommandFailed } from "./failures.ts"
import { plain } from "./output.ts"

/** Where the gateway is, and the token that it knows its operators by. */
export interface Access {
  /** Without a trailing slash. */
  readonly url: string
  readonly token: Redacted.Redacted<string>
  /** The place to correct the token at. */
  readonly tokenFrom: string
}

const urlVariable = "NODEDC_AGENT_GATEWAY_URL"

const capital = (text: string): string => text.replace(/^e/, "E")

export const urlFlag = GlobalFlag.Setting("url")({
  flag: Flag.String("url").pipe(
    Flag.mapEffect((text) =>
      Result.match(webUrl(text), {
        onSuccess: () => Effect.succeed(text),
        onFailure: (fault) =>
          Effect.fail(
            new CliError.InvalidValue({ option: "url", value: text, expected: capital(fault), kind: "flag" })
          )
      })
    ),
    Flag.withDescription(
      `The gateway's address (default: ${urlVariable}, or this machine at PORT). The internal token is sent there`
    ),
    Flag.optional
  )
})

const failed = (message: string) => new CommandFailed({ message })

/** Reads what a variable may hold, as the gateway itself reads it. Empty counts as unset. */
const read = <A>(
  all: Readonly<Record<string, string | undefined>>,
  { name, read }: { readonly name: string; readonly read: (text?: string) => Result.Result<A, string> }
) => {
  const text = all[name]?.trim()
  return Effect.fromResult(read(text === "" ? undefined : text)).pipe(
    Effect.mapError((fault) => failed(`${name}: ${fault}.`))
  )
}

/** Finds the gateway and its token by the environment, `.env`, and in development what the gateway generated. */
export const access = Effect.fnUntraced(function* (asked: Option.Option<string>) {
  const all = yield* Effect.try({
    try: environment,
    catch: (cause) => failed(cause instanceof Error ? cause.message : String(cause))
  })
  const port = yield* read(all, variables.port)
  const url = yield* read(all, {
    name: urlVariable,
    read: (text = `http://127.0.0.1:${port}`) => webUrl(Option.getOrElse(asked, () => text))
  })
  const given = yield* read(all, variables.internalToken)
  const { token, tokenFrom } = Option.isSome(given)
    ? { token: given.value, tokenFrom: variables.internalToken.name }
    : yield* generated(all)
  return { url: url.href.replace(/\/+$/, ""), token, tokenFrom } satisfies Access
})

/** The token that a gateway in development made for itself. */
const generated = Effect.fnUntraced(function* (all: Readonly<Record<string, string | undefined>>) {
  const { name } = variables.internalToken
  const set = `Set ${name} to the gateway's, in the environment or in .env`
  if ((yield* read(all, variables.nodeEnv)) === "production")
    return yield* failed(`${name} is not set. ${set}.`)
  const file = join(resolve(yield* read(all, variables.dataDir)), "secrets", "internal-token")
  const token = yield* Effect.try({
    try: () => readFileSync(file, "utf8").trimEnd(),
    catch: (cause) =>
      failed(
        (cause as NodeJS.ErrnoException).code === "ENOENT"
          ? `${name} is not set, and no gateway has generated one in ${file}. ${set}, or run this in the gateway's folder.`
          : `${name} is not set, and ${plain(cause instanceof Error ? cause.message : String(cause))}. ${set}.`
      )
  })
  return { token: Redacted.make(token, { label: name }), tokenFrom: file }
})
