import { errorTable, type Row } from "../../src/layers/tasker/errorTable.ts"
import {
  apiPath,
  CallHeaders,
  type Endpoint,
  type EndpointName,
  endpoints,
  WriteHeaders
} from "../../src/layers/tasker/taskerApi.ts"
import { type Example, examples, headers, named } from "./examples.ts"
import { type Json, jsonSchemaOf, withExamples } from "./jsonSchema.ts"

/** `docs/tasker-openapi.json`: the ten calls as OpenAPI 3.1, for tools that make clients and stubs. */

/** The rows of the closed table that apply to a call, by status. */
export const errorsOf = ({ body, method, path }: Endpoint): ReadonlyMap<number, ReadonlyArray<Row>> => {
  const makes = method === "POST" && body !== undefined && /^\/issues(\/:issue_id\/comments)?$/.test(path)
  const rows = errorTable.filter(({ calls }) => calls === "all" || (calls === "make") === makes)
  const statuses = [...new Set(rows.flatMap(({ statuses }) => statuses))].toSorted((a, b) => a - b)
  return new Map(statuses.map((status) => [status, rows.filter((row) => row.statuses.includes(status))]))
}

const definitions: Record<string, Json> = {}

const schemaOf = (schema: Parameters<typeof jsonSchemaOf>[0], example: unknown): Json => {
  const made = jsonSchemaOf(schema)
  for (const [name, definition] of Object.entries(made.definitions)) {
    definitions[name] = withExamples(definition, named[name])
  }
  return withExamples(made.schema, example)
}

/** The fields of a struct as OpenAPI parameters. */
const parametersOf = (
  place: "header" | "path" | "query",
  schema: Parameters<typeof jsonSchemaOf>[0] | undefined,
  values: Readonly<Record<string, unknown>> = {}
): ReadonlyArray<Json> => {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = schemaOf(schema, undefined) as {
    readonly properties?: Readonly<Record<string, Json>>
    readonly required?: ReadonlyArray<string>
  }
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: rest,
    example: values[name]
  }))
}

/** Responses and headers that several calls have. */
const shared = { responses: {} as Record<string, Json>, parameters: {} as Record<string, Json> }

const responseOf = (status: number, rows: ReadonlyArray<Row>): Json => ({
  description: [...new Set(rows.map(({ means }) => means))].join(", "),
  ...(status === 429
    ? {
        headers: {
          "Retry-After": {
            description: "Seconds, or an HTTP date, until the next call. The gateway keeps to it.",
            schema: { type: "string", examples: ["30"] }
          }
        }
      }
    : {}),
  content: {
    "application/json": {
      schema: { $ref: "#/components/schemas/Error" },
      examples: Object.fromEntries(
        rows.map(({ example, from, means }, at) => [
          `${means}_${from}_${at + 1}`,
          { summary: `Means ${means}`, value: example }
        ])
      )
    }
  }
})

const errorResponses = (endpoint: Endpoint): Readonly<Record<string, Json>> =>
  Object.fromEntries(
    [...errorsOf(endpoint)].map(([status, rows]) => {
      const name = `Error${status}${rows.some(({ calls }) => calls === "make") ? "OfMaking" : ""}`
      shared.responses[name] = responseOf(status, rows)
      return [String(status), { $ref: `#/components/responses/${name}` }]
    })
  )

const headerParameters = ({ writes }: Endpoint): ReadonlyArray<Json> =>
  [
    // OpenAPI has the bearer under `security`.
    ...parametersOf("header", CallHeaders, headers).filter(({ name }) => name !== "Authorization"),
    ...(writes ? parametersOf("header", WriteHeaders, headers) : [])
  ].map((parameter) => {
    shared.parameters[String(parameter.name)] = parameter
    return { $ref: `#/components/parameters/${parameter.name}` }
  })

const operationOf = (name: EndpointName, endpoint: Endpoint, example: Example): Json => ({
  operationId: name,
  summary: endpoint.title,
  tags: [endpoint.writes ? "writes" : "reads"],
  parameters: [
    ...parametersOf("path", endpoint.parameters, example.parameters),
    ...parametersOf("query", endpoint.query, example.query),
    ...headerParameters(endpoint)
  ],
  ...(endpoint.body === undefined
    ? {}
    : {
        requestBody: {
          required: true,
          content: {
            "application/json": { schema: schemaOf(endpoint.body, example.body), example: example.body }
          }
        }
      }),
  responses: {
    [String(endpoint.status)]: {
      description: "Done",
      content: {
        "application/json": {
          schema: schemaOf(endpoint.response, example.response),
          example: example.response
        }
      }
    },
    ...errorResponses(endpoint)
  }
})

const errorSchema: Json = {
  type: "object",
  description:
    "A refusal. Only the forms of the closed table in TASKER_API.md count as one; the examples show them all.",
  properties: {
    error: { type: "string", description: "A code of the closed list." },
    detail: { type: "string", description: "One sentence for people." },
    fields: {
      type: "object",
      description: "Faults by field of the request.",
      additionalProperties: { type: "array", items: { type: "string" } }
    },
    id: {
      type: "string",
      format: "uuid",
      description: "With 409 to a create or comment: what exists already."
    }
  }
}

const pathsOf = (): Json => {
  const paths: Record<string, Record<string, Json>> = {}
  for (const [name, endpoint] of Object.entries(endpoints) as ReadonlyArray<[EndpointName, Endpoint]>) {
    const path = endpoint.path.replace(/:(\w+)/g, "{$1}")
    const operation = operationOf(name, endpoint, examples[name])
    paths[path] = { ...paths[path], [endpoint.method.toLowerCase()]: operation }
  }
  return paths
}

export const openapi = (): Json => {
  const paths = pathsOf()
  return {
    openapi: "3.1.1",
    info: {
      title: "Tasker's internal API",
      version: "1",
      description:
        "The calls that the NODE.DC agent gateway makes to Tasker. Generated by `npm run docs`; see docs/TASKER_API.md."
    },
    servers: [
      {
        url: `{tasker}${apiPath}`,
        variables: { tasker: { default: "http://127.0.0.1:8090", description: "NODEDC_TASKER_INTERNAL_URL" } }
      }
    ],
    security: [{ gateway: [] }],
    paths,
    components: {
      securitySchemes: {
        gateway: { type: "http", scheme: "bearer", description: "NODEDC_INTERNAL_ACCESS_TOKEN" }
      },
      ...shared,
      schemas: {
        ...Object.fromEntries(Object.entries(definitions).toSorted(([a], [b]) => (a < b ? -1 : 1))),
        Error: errorSchema
      }
    }
  }
}
