import { Predicate, Schema } from "effect"

/** JSON Schema 2020-12 of the adapter's schemas, as OpenAPI and the tables of the document show it. */

export type Json = Readonly<Record<string, unknown>>

const uuid = /\{8\}-/

/** References become those of OpenAPI, a lone `allOf` part of what it constrains, a UUID's pattern a format. */
const tidy = (node: unknown): unknown => {
  if (Array.isArray(node)) return node.map(tidy)
  if (!Predicate.isObject(node)) return node
  const { allOf, additionalProperties: _, ...own } = node as Json
  const merged: Record<string, unknown> = Object.assign(
    {},
    ...(Array.isArray(allOf) ? allOf.map(tidy) : []),
    Object.fromEntries(Object.entries(own).map(([key, value]) => [key, tidy(value)]))
  )
  if (typeof merged.$ref === "string") merged.$ref = merged.$ref.replace("#/$defs/", "#/components/schemas/")
  if (typeof merged.pattern === "string" && uuid.test(merged.pattern)) {
    delete merged.pattern
    merged.format = "uuid"
  }
  if (merged.minimum === Number.MIN_SAFE_INTEGER) delete merged.minimum
  if (merged.maximum === Number.MAX_SAFE_INTEGER) delete merged.maximum
  return nullable(merged)
}

/** `{anyOf: [X, {type: "null"}]}` as `{...X, type: [X's, "null"]}` if X is of one type without an enumeration. */
const nullable = (node: Json): Json => {
  const { anyOf, ...rest } = node
  if (!Array.isArray(anyOf) || anyOf.length !== 2) return node
  const [one, other] = anyOf as [Json, Json]
  return other.type === "null" && typeof one.type === "string" && !("enum" in one)
    ? { ...one, ...rest, type: [one.type, "null"] }
    : node
}

/** A schema, and by name those that it refers to. */
export const jsonSchemaOf = (
  schema: Schema.Constraint
): { readonly schema: Json; readonly definitions: Readonly<Record<string, Json>> } => {
  const { definitions, schema: root } = Schema.toJsonSchemaDocument(schema as Schema.Top)
  return {
    schema: tidy(root) as Json,
    definitions: tidy(definitions) as Readonly<Record<string, Json>>
  }
}

/** Gives each property the value that it has in an example of the whole. A reference keeps its own. */
export const withExamples = (schema: Json, example: unknown): Json => {
  if (typeof schema.$ref === "string") return schema
  if (Array.isArray(example) && Predicate.isObject(schema.items)) {
    return { ...schema, items: withExamples(schema.items as Json, example[0]) }
  }
  if (!Predicate.isObject(schema.properties)) {
    return example === undefined ? schema : { ...schema, examples: [example] }
  }
  const values = Predicate.isObject(example) ? (example as Json) : {}
  const properties = Object.entries(schema.properties as Readonly<Record<string, Json>>)
  return {
    ...schema,
    properties: Object.fromEntries(
      properties.map(([name, property]) => [name, withExamples(property, values[name])])
    )
  }
}
