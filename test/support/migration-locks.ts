/**
 * Rules for the SQL of a migration, which runs while calls go on: no lock that stops them is held for the time of
 * a scan. A table that the same file makes is nobody's yet, so nothing is said of it.
 *
 * - An index is built by a file of its own: `create index concurrently if not exists`.
 * - A constraint is added `not valid`, and validated by a later file.
 * - A column keeps its type, and is made `not null` by a validated check.
 */
export const lockFaults = (sql: string): ReadonlyArray<string> => {
  const statements = statementsOf(sql)
  const made = new Set(
    statements.flatMap((text) => tableOf(/^create (?:unlogged )?table (?:if not exists )?(\w+)/, text))
  )
  const faults = statements.flatMap((text) => {
    const [table] = tableOf(/^(?:alter table (?:only )?|create (?:unique )?index .*? on )(\w+)/, text)
    return table === undefined || made.has(table) ? [] : faultsOf(text, statements.length)
  })
  const validates = statements.some((text) => text.includes("validate constraint"))
  const adds = statements.some((text) => /\badd constraint\b/.test(text))
  return [
    ...faults,
    ...(validates && adds
      ? ["`validate constraint` holds the lock that `add constraint` of the same file took"]
      : []),
    ...(statements.some((text) => text.startsWith("lock table")) ? ["`lock table` stops calls"] : [])
  ]
}

const faultsOf = (text: string, statements: number): ReadonlyArray<string> => {
  const rules: ReadonlyArray<readonly [boolean, string]> = [
    [
      isIndex(text) && !/^create (unique )?index concurrently if not exists \w+ on/.test(text),
      "an index is built `concurrently if not exists`"
    ],
    [isIndex(text) && statements > 1, "an index is built by a file of its own"],
    [
      parts(text).some((part) => /^add constraint/.test(part) && !/ (not valid|using index .*)$/.test(part)),
      "a constraint is added `not valid`"
    ],
    [
      parts(text).some(
        (part) => /^add column/.test(part) && /\b(check|references|unique|primary key)\b/.test(part)
      ),
      "a constraint of a new column is added by itself, `not valid`"
    ],
    [
      parts(text).some((part) => /^alter column \w+ (set not null|(set data )?type)\b/.test(part)),
      "a column's type or `not null` is not changed under a lock"
    ]
  ]
  return rules.flatMap(([isBroken, rule]) => (isBroken ? [`${rule}: ${text.slice(0, 80)}`] : []))
}

const isIndex = (text: string): boolean => /^create (unique )?index/.test(text)

const tableOf = (form: RegExp, text: string): ReadonlyArray<string> => {
  const table = form.exec(text)?.[1]
  return table === undefined ? [] : [table]
}

/** Statements in lower case and on one line, without comments and the bodies of functions. */
const statementsOf = (sql: string): ReadonlyArray<string> =>
  sql
    .replace(/--.*$/gm, "")
    .replace(/\$(\w*)\$[\s\S]*?\$\1\$/g, "''")
    .replace(/'[^']*'/g, "''")
    .toLowerCase()
    .split(";")
    .map((text) => text.replace(/\s+/g, " ").trim())
    .filter((text) => text !== "")

/** The actions of an `alter table`, cut at commas outside of parentheses. */
const parts = (text: string): ReadonlyArray<string> => {
  const actions = text.replace(/^alter table (only )?\w+ /, "")
  const cut: Array<string> = [""]
  let depth = 0
  for (const char of actions) {
    if (char === "(") depth++
    if (char === ")") depth--
    if (char === "," && depth === 0) cut.push("")
    else cut[cut.length - 1] += char
  }
  return cut.map((action) => action.trim())
}
