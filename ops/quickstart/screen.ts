import { Effect } from "effect"

/** What the quickstart says, in colours and with a moving line where there is a terminal. */
export const terminal = process.stdout.isTTY === true

const colours = terminal && process.env.NO_COLOR === undefined
const paint = (code: number) => (text: string) => (colours ? `\u001b[${code}m${text}\u001b[0m` : text)

export const bold = paint(1)
export const dim = paint(2)
export const green = paint(32)
export const red = paint(31)
export const cyan = paint(36)

const write = (text: string): void => {
  process.stdout.write(text)
}

export const line = (text = ""): Effect.Effect<void> => Effect.sync(() => write(`${text}\n`))

export const heading = (text: string): Effect.Effect<void> => line(`\n${bold(text)}`)

/** A step of the story that did not do what the story says. */
export class StepFailed extends Error {
  override readonly name = "StepFailed"
  readonly step: string
  constructor(step: string, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.step = step
  }
}

/** Stops the story where something is not as it should be. */
export const must = (condition: boolean, otherwise: string): void => {
  if (!condition) throw new Error(otherwise)
}

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]

/** Does a step and says what came of it: `name` while it runs, and what it answers once it is done. */
export const step = <A>(
  name: string,
  doing: () => Promise<A>,
  told: (value: A) => string = () => ""
): Effect.Effect<A, StepFailed> =>
  Effect.tryPromise({
    try: async () => {
      let frame = 0
      const spinner = terminal
        ? setInterval(() => write(`\r  ${cyan(frames[frame++ % frames.length] ?? "")} ${name}`), 80)
        : undefined
      try {
        return await doing()
      } finally {
        clearInterval(spinner)
        if (terminal) write("\r\u001b[K")
      }
    },
    catch: (cause) => new StepFailed(name, cause)
  }).pipe(
    Effect.tap((value) => {
      const said = told(value)
      return line(`  ${green("✓")} ${said === "" ? name : `${name.padEnd(30)} ${said}`}`)
    })
  )
