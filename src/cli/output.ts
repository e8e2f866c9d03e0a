import { Console, Effect, Terminal } from "effect"
import { CliOutput, Flag, GlobalFlag, TerminalCapabilities } from "effect/cli"
import { stripInvisible } from "../text/PlainText.ts"

export const json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(
    Flag.withoutNegation,
    Flag.withDescription("Print JSON, for programs"),
    Flag.withDefault(false)
  )
})

export interface Screen {
  /** Infinity if stdout is no terminal: what reads it wants whole values. */
  readonly columns: number
  readonly colour: boolean
}

export const screen = Effect.gen(function* () {
  const { columns } = yield* Terminal.Terminal
  const width = yield* columns
  const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
  return { columns: width > 0 ? width : Number.POSITIVE_INFINITY, colour: canColor } satisfies Screen
})

/** Prints a reply: its JSON with `--json`, otherwise `words`. */
export const print = Effect.fnUntraced(function* <A>(
  reply: { readonly text: string; readonly value: A },
  words: (value: A, screen: Screen) => string
) {
  yield* Console.log((yield* json) ? reply.text : words(reply.value, yield* screen))
})

/** Removes from a text of the gateway's what would move the cursor, colour the screen or hide. One line. */
export const plain = (text: string): string => stripInvisible(text).replace(/\s+/gu, " ").trim()

/** `2027-01-31 12:00Z`; a dash for null. */
export const time = (instant: string | null): string =>
  instant === null ? "-" : `${instant.slice(0, 10)} ${instant.slice(11, 16)}Z`

export const bold = (text: string, { colour }: Screen): string =>
  colour ? `\u001b[1m${text}\u001b[22m` : text

export interface Column {
  readonly title: string
  /** Never cut: an id is there to be copied. */
  readonly whole?: boolean
}

const gap = "  "

/** A table no wider than the screen, unless titles and whole columns alone are. */
export const table = (
  columns: ReadonlyArray<Column>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  screen: Screen
): string => {
  const cells = rows.map((row) => row.map(plain))
  const natural = columns.map(({ title }, at) =>
    Math.max(title.length, ...cells.map((row) => CliOutput.displayWidth(row[at] ?? "")))
  )
  const narrowest = columns.map(({ title, whole }, at) => (whole ? (natural[at] ?? 0) : title.length))
  const widths = fitted(natural, narrowest, screen.columns)
  const lineOf = (row: ReadonlyArray<string>): string =>
    widths
      .map((width, at) => padded(cut(row[at] ?? "", width), width))
      .join(gap)
      .trimEnd()
  return [bold(lineOf(columns.map(({ title }) => title)), screen), ...cells.map(lineOf)].join("\n")
}

/** Takes from the widest column that may be narrower, one cell at a time. */
const fitted = (
  natural: ReadonlyArray<number>,
  narrowest: ReadonlyArray<number>,
  available: number
): ReadonlyArray<number> => {
  const widths = [...natural]
  const total = () => widths.reduce((sum, width) => sum + width, gap.length * (widths.length - 1))
  while (total() > available) {
    const cuttable = widths.map((width, at) => (width > (narrowest[at] ?? 0) ? width : 0))
    const widest = Math.max(...cuttable)
    if (widest === 0) break
    widths[cuttable.indexOf(widest)] = widest - 1
  }
  return widths
}

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" })

const cut = (text: string, width: number): string => {
  if (CliOutput.displayWidth(text) <= width) return text
  let kept = ""
  for (const { segment } of segmenter.segment(text)) {
    if (CliOutput.displayWidth(kept + segment) > width - 1) break
    kept += segment
  }
  return `${kept.trimEnd()}…`
}

const padded = (text: string, width: number): string =>
  text + " ".repeat(Math.max(0, width - CliOutput.displayWidth(text)))
