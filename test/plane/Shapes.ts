import type { Item } from "./Store.ts"

type Query = Readonly<Record<string, string>>

const listOf = (text: string | undefined) => (text === undefined || text === "" ? [] : text.split(","))

/** Maps ids to what they stand for, by the field that holds them. */
export type Expansions = Readonly<Record<string, ReadonlyMap<string, Item>>>

export const isExpanded = (query: Query) => listOf(query.expand).length > 0

/** Puts objects in place of the ids that `expand` names. An absent reference becomes `{}`. */
const expanded = (item: Item, query: Query, expansions: Expansions): Item => {
  const known = listOf(query.expand).filter((name) => name in expansions && name in item)
  const replaced = known.map((name) => {
    const found = (id: unknown) => expansions[name]?.get(String(id)) ?? {}
    const value = item[name]
    return [name, Array.isArray(value) ? value.map(found) : found(value)] as const
  })
  return { ...item, ...Object.fromEntries(replaced) }
}

/** Keeps only what `fields` names, to the letter: `id, name` has no field ` name`. */
export const shape = (item: Item, query: Query, expansions: Expansions = {}): Item => {
  const whole = expanded(item, query, expansions)
  const names = listOf(query.fields)
  return names.length === 0
    ? whole
    : Object.fromEntries(Object.entries(whole).filter(([name]) => names.includes(name)))
}
