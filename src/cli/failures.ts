import { Runtime, Schema } from "effect"

/**
 * How a command ends if it did not do what it was asked. The exit codes are those of the script of `/connect`:
 * 1 failed, 2 usage, 5 gateway unreachable. The command prints the message itself, so the runtime reports none.
 */

/** The gateway refused, or the command can't be carried out here. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  message: Schema.String
}) {
  override readonly [Runtime.errorExitCode] = 1
  override readonly [Runtime.errorReported] = false
}

/** The gateway did not answer. */
export class GatewayUnreachable extends Schema.TaggedError<GatewayUnreachable>()("GatewayUnreachable", {
  message: Schema.String
}) {
  override readonly [Runtime.errorExitCode] = 5
  override readonly [Runtime.errorReported] = false
}

/** The command line is incomplete or contradicts itself. The parser's own errors are `CliError`. */
export class UsageWrong extends Schema.TaggedError<UsageWrong>()("UsageWrong", { message: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 2
  override readonly [Runtime.errorReported] = false
}
