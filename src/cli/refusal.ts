import { Effect, Schema } from "effect"
import type { Access } from "./access.ts"
import { CommandFailed, GatewayUnreachable } from "./failures.ts"
import { plain } from "./output.ts"

/** How `npm run` is told to run this command, in what a person is advised to type. */
export const command = "npm run agents --"

const Problem = Schema.fromJsonString(
  Schema.Struct({
    code: Schema.String,
    detail: Schema.String,
    request_id: Schema.String,
    retryable: Schema.Boolean,
    pairing_code_info: Schema.optionalKey(Schema.Struct({ id: Schema.String, agent_id: Schema.String }))
  })
)
type Problem = typeof Problem.Type

/** Tells a response that is no success: the problem's code and detail, and on a second line what to do. */
export const refusal = Effect.fnUntraced(function* (
  to: Access,
  response: { readonly status: number; readonly text: string }
): Effect.fn.Return<never, CommandFailed | GatewayUnreachable> {
  const problem = yield* Effect.option(Schema.decodeUnknownEffect(Problem)(response.text))
  if (problem._tag === "None") return yield* notTheGateway(to.url, response.status)
  const { code, detail } = problem.value
  const lines = [`${plain(code)}: ${plain(detail)}`, ...advice(problem.value, to)]
  return yield* new CommandFailed({ message: lines.join("\n") })
})

const notTheGateway = (url: string, status: number): CommandFailed | GatewayUnreachable =>
  status >= 502 && status <= 504
    ? new GatewayUnreachable({
        message: `${url} answered ${status}, but not as the gateway does: a proxy is there, and the gateway behind it is not.`
      })
    : new CommandFailed({
        message: `${url} answered ${status}, but not as the gateway does. Check --url or NODEDC_AGENT_GATEWAY_URL.`
      })

const advice = (
  { code, pairing_code_info: made, request_id, retryable }: Problem,
  { tokenFrom, url }: Access
): ReadonlyArray<string> => {
  if (code.startsWith("auth.")) {
    return [`The internal token from ${tokenFrom} is not the one of the gateway at ${url}.`]
  }
  switch (code) {
    case "request.not_found":
      return [`List what there is: ${command} list, ${command} show <agent>`]
    case "pairing.too_many":
      return [`Cancel one: ${command} revoke <agent> --code <id>. Their ids: ${command} show <agent>`]
    case "pairing.agent_disabled":
      return [`Enable the agent: ${command} enable <agent>`]
    case "idempotency.already_created":
      return made === undefined
        ? []
        : [`Cancel it, then pair again: ${command} revoke ${plain(made.agent_id)} --code ${plain(made.id)}`]
    case "gateway.internal":
      return [`The gateway's log names the cause under request id ${plain(request_id)}.`]
    default:
      return retryable ? ["Repeat the command in a moment."] : []
  }
}
