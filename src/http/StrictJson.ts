import { Result } from "effect"

/**
 * JSON as RFC 8259 has it, less what two readers could take for two different things (RFC 7493,
 * I-JSON): no key twice in an object, no lone surrogates, no number beyond a double. Also refused are
 * NUL, which PostgreSQL cannot store, and `__proto__`, which one careless copy later is no mere key.
 */

/** How deep arrays and objects may stand in each other. */
export const maxDepth = 64

/**
 * Reads one JSON value. A failure says what is wrong and where, and never repeats what was sent, so
 * that it may be logged.
 *
 * `JSON.parse` does the reading. What it lets pass is found in two cheap walks: one over the text,
 * which counts the keys, and one over the value, in which a key that stood there twice is missing.
 */
export const parseStrict = (text: string): Result.Result<unknown, string> => {
  const keys = countKeys(text)
  if (keys === tooDeep) return Result.fail(`The JSON nests deeper than ${maxDepth} levels.`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return Result.fail(`The text is not one JSON value: ${syntaxFault(text, error)}.`)
  }
  const found = inspect(value)
  return found === keys ? Result.succeed(value) : Result.fail(explain(text))
}

const quote = 0x22
const backslash = 0x5c
const colon = 0x3a
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

const tooDeep = -1

/** How many keys stand in the text, were it valid JSON: the colons outside of strings. */
const countKeys = (text: string): number => {
  let keys = 0
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case quote:
        at = endOfString(text, at)
        break
      case colon:
        keys++
        break
      case openBrace:
      case openBracket:
        if (++depth > maxDepth) return tooDeep
        break
      case closeBrace:
      case closeBracket:
        depth--
        break
    }
  }
  return keys
}

/** Where the string that begins at `start` ends; the end of the text for one that never does. */
const endOfString = (text: string, start: number): number => {
  for (let at = start + 1; ; at++) {
    at = text.indexOf('"', at)
    if (at < 0) return text.length
    let escapes = 0
    while (text.charCodeAt(at - 1 - escapes) === backslash) escapes++
    if (escapes % 2 === 0) return at
  }
}

const unfit = Number.NaN

/** How many keys a value holds; not a number where anything in it is refused. */
const inspect = (value: unknown): number => {
  switch (typeof value) {
    case "string":
      return isClean(value) ? 0 : unfit
    case "number":
      return Number.isFinite(value) ? 0 : unfit
    case "object": {
      if (value === null) return 0
      let keys = 0
      if (Array.isArray(value)) {
        for (const item of value) keys += inspect(item)
        return keys
      }
      for (const [key, item] of Object.entries(value)) {
        if (key === "__proto__" || !isClean(key)) return unfit
        keys += 1 + inspect(item)
      }
      return keys
    }
    default:
      return 0
  }
}

const isClean = (text: string): boolean => text.isWellFormed() && !text.includes("\0")

/** What is wrong with a text that is valid JSON, and where. Only reached for one that is refused. */
const explain = (text: string): string => {
  const seen: Array<Set<string> | undefined> = []
  let expectsKey = false
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case quote: {
        const end = endOfString(text, at)
        const content: string = JSON.parse(text.slice(at, end + 1))
        if (!content.isWellFormed()) return `A text holds half a surrogate pair, ${place(text, at)}.`
        if (content.includes("\0")) return `A text holds the character NUL, ${place(text, at)}.`
        const keys = seen.at(-1)
        if (expectsKey && keys !== undefined) {
          if (content === "__proto__") return `An object has the key __proto__, ${place(text, at)}.`
          if (keys.has(content)) return `An object has the same key twice, ${place(text, at)}.`
          keys.add(content)
        }
        at = end
        expectsKey = false
        break
      }
      case openBrace:
        seen.push(new Set())
        expectsKey = true
        break
      case openBracket:
        seen.push(undefined)
        expectsKey = false
        break
      case closeBrace:
      case closeBracket:
        seen.pop()
        break
      // A comma
      case 0x2c:
        expectsKey = seen.at(-1) !== undefined
        break
    }
  }
  return "A number is larger than a double can hold."
}

const place = (text: string, at: number): string => {
  const before = text.slice(0, at)
  const line = before.split("\n").length
  return `line ${line}, column ${at - before.lastIndexOf("\n")}`
}

const syntaxFault = (text: string, error: unknown): string => {
  if (text.trim() === "") return "it is empty"
  const at = faultAt(text, error)
  if (at === undefined) return "a character stands where it may not"
  return at >= text.length ? "it ends too early" : `a character stands where it may not, ${place(text, at)}`
}

/** Longest text in which a fault is looked for that V8 does not place. */
const longestSearch = 16_384

/**
 * Where a text stops being JSON. V8's message quotes the text, so no more than a position is taken
 * from it; where it gives none, the fault is where the shortest prefix ends that is no beginning of
 * JSON any more.
 */
const faultAt = (text: string, error: unknown): number | undefined => {
  const known = positionIn(text, error)
  if (known !== undefined || text.length > longestSearch) return known
  let fine = 0
  let faulty = text.length
  while (faulty - fine > 1) {
    const middle = (fine + faulty) >> 1
    if (mayGoOn(text.slice(0, middle))) fine = middle
    else faulty = middle
  }
  return faulty - 1
}

const positionIn = (text: string, error: unknown): number | undefined => {
  const message = error instanceof SyntaxError ? error.message : ""
  if (message.startsWith("Unexpected end") || message.startsWith("Unterminated")) return text.length
  const position = / at position (\d+)(?: \(line \d+ column \d+\))?$/.exec(message)?.[1]
  return position === undefined ? undefined : Number(position)
}

const mayGoOn = (prefix: string): boolean => {
  try {
    JSON.parse(prefix)
    return true
  } catch (error) {
    const at = positionIn(prefix, error)
    return at !== undefined && at >= prefix.length
  }
}
