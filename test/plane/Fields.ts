import { Result } from "effect"

/** Holds a field's value, or what stands under its name in the 400. */
export type Checked<A> = Result.Result<A, unknown>
const wrong = (message: string): Checked<never> => Result.fail([message])

interface TextRule {
  readonly nullable?: boolean
  readonly blank?: boolean
  readonly max?: number
}

const notNull = wrong("This field may not be null.")

export const text =
  ({ blank = false, max = Infinity, nullable = false }: TextRule = {}) =>
  (value: unknown): Checked<string | null> => {
    if (value === null) return nullable ? Result.succeed(null) : notNull
    if (typeof value !== "string" && typeof value !== "number") return wrong("Not a valid string.")
    const trimmed = String(value).trim()
    const lone = /\p{Surrogate}/u.exec(trimmed)
    if (trimmed.includes("\0")) return wrong("Null characters are not allowed.")
    if (lone !== null) return wrong(`Surrogate characters are not allowed: U+${hex(lone[0])}.`)
    if (trimmed === "" && !blank) return wrong("This field may not be blank.")
    if ([...trimmed].length > max) return wrong(`Ensure this field has no more than ${max} characters.`)
    return Result.succeed(trimmed)
  }

const hex = (unit: string) => unit.charCodeAt(0).toString(16).toUpperCase()

export const choice =
  <const A extends string>(...choices: ReadonlyArray<A>) =>
  (value: unknown): Checked<A> => {
    if (value === null) return notNull
    const found = choices.find((each) => each === value)
    return found === undefined ? wrong(`"${value}" is not a valid choice.`) : Result.succeed(found)
  }

const dateFormat = "Date has wrong format. Use one of these formats instead: YYYY-MM-DD."

export const date = (value: unknown): Checked<string | null> => {
  if (value === null) return Result.succeed(null)
  const [, year = "", month = "", day = ""] = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(String(value)) ?? []
  const written = `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`
  const read = new Date(`${written}T00:00:00Z`)
  // `Date` reads 30 February as 2 March.
  return Number.isNaN(read.getTime()) || !read.toISOString().startsWith(written)
    ? wrong(dateFormat)
    : Result.succeed(written)
}

/** True unless `created_at` of a body is given and is no time. */
export const isDated = ({ created_at }: Readonly<Record<string, unknown>>) =>
  created_at === undefined || created_at === null || !Number.isNaN(Date.parse(String(created_at)))

export const integer = (value: unknown): Checked<number> => {
  if (value === null) return notNull
  return Number.isInteger(value) ? Result.succeed(Number(value)) : wrong("A valid integer is required.")
}

export const boolean = (value: unknown): Checked<boolean> =>
  typeof value === "boolean" ? Result.succeed(value) : wrong("Must be a valid boolean.")

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Reports whether a reference can be looked up at all, so that PostgreSQL is only asked about UUIDs. */
export const isUuid = (value: unknown): value is string => typeof value === "string" && uuid.test(value)

/** Checks a reference to a row, which has to be among `known`, whatever project it is of. */
export const reference =
  (known: ReadonlySet<string>) =>
  (value: unknown): Checked<string> => {
    if (value === null) return notNull
    if (typeof value === "boolean") return wrong("Incorrect type. Expected pk value, received bool.")
    if (typeof value !== "number" && !isUuid(value)) {
      return wrong(`“${typeof value === "string" ? value : JSON.stringify(value)}” is not a valid UUID.`)
    }
    const id = String(value).toLowerCase()
    return known.has(id) ? Result.succeed(id) : wrong(`Invalid pk "${id}" - object does not exist.`)
  }

export const orNull =
  <A>(check: (value: unknown) => Checked<A>) =>
  (value: unknown): Checked<A | null> =>
    value === null ? Result.succeed(null) : check(value)

/** Checks a list of references and drops repetitions. Reports wrong ones by their position. */
export const references =
  (known: ReadonlySet<string>) =>
  (value: unknown): Checked<ReadonlyArray<string>> => {
    if (value === null) return notNull
    if (!Array.isArray(value)) return wrong(`Expected a list of items but got type "${pythonType(value)}".`)
    const checked = value.map(reference(known))
    const failures = checked.flatMap((each, position) =>
      Result.isFailure(each) ? [[String(position), each.failure] as const] : []
    )
    return failures.length > 0
      ? Result.fail(Object.fromEntries(failures))
      : Result.succeed([
          ...new Set(checked.flatMap((each) => (Result.isSuccess(each) ? [each.success] : [])))
        ])
  }

const pythonType = (value: unknown) =>
  ({ boolean: "bool", number: "int", object: "dict", string: "str" })[typeof value as "string"]

type Checks = Readonly<Record<string, (value: unknown) => Checked<unknown>>>
export type Fields<C extends Checks> = {
  readonly [K in keyof C]?: C[K] extends (value: unknown) => Checked<infer A> ? A : never
}

/** Checks the fields that `body` has; others are ignored. Fails with every wrong field. */
export const check = <C extends Checks>(
  checks: C,
  body: Readonly<Record<string, unknown>>,
  required: ReadonlyArray<keyof C & string> = []
): Checked<Fields<C>> => {
  const values: Record<string, unknown> = {}
  const failures: Record<string, unknown> = {}
  for (const [name, checkField] of Object.entries(checks)) {
    const value = body[name]
    if (value === undefined) {
      if (required.includes(name)) failures[name] = ["This field is required."]
      continue
    }
    const checked = checkField(value)
    if (Result.isSuccess(checked)) values[name] = checked.success
    else failures[name] = checked.failure
  }
  return Object.keys(failures).length > 0 ? Result.fail(failures) : Result.succeed(values as Fields<C>)
}
