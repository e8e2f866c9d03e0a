import { Predicate, Schema } from "effect"

type Json = Readonly<Record<string, unknown>>

/**
 * A schema as agents are shown it: JSON Schema 2020-12, an object at the root. The whole listing goes
 * into a model's context, so what says nothing to a model is left out: references are put in place, a
 * lone `allOf` becomes part of what it constrains, a UUID is a `format`, a nullable string one `type`.
 * (`not` stands only at a root without fields, where TypeScript's `{}` would admit a number.)
 */
export const toJsonSchema = (schema: Schema.Constraint, closed: boolean): Json => {
  const document = Schema.toJsonSchemaDocument(schema as Schema.Top)
  const root = compact(document.schema, document.definitions as Json) as Json
  const { not: _, ...rest } = root
  const object = { type: "object", properties: {}, ...rest }
  return closed ? { ...object, additionalProperties: false } : object
}

const isUuidPattern = (pattern: unknown): boolean => Predicate.isString(pattern) && pattern.includes("{8}-")

const compact = (node: unknown, definitions: Json): unknown => {
  if (Array.isArray(node)) return node.map((item) => compact(item, definitions))
  if (!Predicate.isObject(node)) return node
  const source = node as Json
  if (typeof source.$ref === "string") {
    const { $ref, ...rest } = source
    return compact(
      { ...(definitions[($ref as string).slice("#/$defs/".length)] as Json), ...rest },
      definitions
    )
  }
  const { allOf, additionalProperties: _, ...own } = source
  const merged: Record<string, unknown> = Object.assign(
    {},
    ...(Array.isArray(allOf) ? allOf.map((item) => compact(item, definitions)) : []),
    Object.fromEntries(Object.entries(own).map(([key, value]) => [key, compact(value, definitions)]))
  )
  if (isUuidPattern(merged.pattern)) {
    delete merged.pattern
    merged.format = "uuid"
  }
  if (merged.minimum === Number.MIN_SAFE_INTEGER) delete merged.minimum
  if (merged.maximum === Number.MAX_SAFE_INTEGER) delete merged.maximum
  return nullable(merged)
}

/** `{anyOf: [X, {type: "null"}]}` as `{...X, type: [X's, "null"]}`, where X is of one type. */
const nullable = (node: Json): Json => {
  const { anyOf, ...rest } = node
  if (!Array.isArray(anyOf) || anyOf.length !== 2) return node
  const [one, other] = anyOf as [Json, Json]
  const isNull = other.type === "null" && Object.keys(other).length === 1
  return isNull && Predicate.isString(one.type) && !("enum" in one)
    ? { ...one, ...rest, type: [one.type, "null"] }
    : node
}
