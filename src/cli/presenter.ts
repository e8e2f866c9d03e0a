import { Console } from "effect"
import { CliOutput } from "effect/cli"

/**
 * Keeps stdout for what was asked for: errors go to stderr, with the way to the help instead of all of it.
 * `command` is how a person runs it: `npm run agents --`.
 */
export const presenter = (command: string): CliOutput.Presenter => ({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.error(
          [
            ...event.errors.map(({ message }) => message),
            `Help: ${[command, ...event.commandPath.slice(1)].join(" ")} --help`
          ].join("\n")
        )
      : CliOutput.defaultPresenter.present(event)
})
