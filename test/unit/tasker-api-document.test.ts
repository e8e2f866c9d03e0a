import { assert, describe, it } from "@effect/vitest"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Schema } from "effect"
import { examples, headers } from "../../ops/taskerApi/examples.ts"
import { markdown } from "../../ops/taskerApi/markdown.ts"
import { openapi } from "../../ops/taskerApi/openapi.ts"
import { documentOf, errorTable } from "../../src/layers/tasker/errorTable.ts"
import {
  CallHeaders,
  type Endpoint,
  type EndpointName,
  endpoints,
  type Fields,
  WriteHeaders
} from "../../src/layers/tasker/taskerApi.ts"
import * as Calls from "../../src/layers/tasker/taskerCalls.ts"
import { issueId, projectId, ticket, who } from "../support/tasker-api.ts"

/** The documents about Tasker's API, held against the schemas by which the gateway sends and reads. */

const all = Object.entries(endpoints) as ReadonlyArray<[EndpointName, Endpoint]>

/** Decodes an example, and refuses a field that the schema does not have. */
const decodes = (schema: Fields | undefined, example: unknown): void => {
  if (schema === undefined) {
    assert.isUndefined(example)
    return
  }
  Schema.decodeUnknownSync(schema, { onExcessProperty: "error" })(example)
  assert.sameMembers(Object.keys(example as object), Object.keys(schema.fields))
}

const on = { project_id: projectId, issue_id: issueId, seen_updated_at: "2026-01-02T00:00:00.123456Z" }
const planned = { name: "a hash" }

/** A request of each of the ten calls, made as the adapter makes it. */
const requests: ReadonlyArray<Calls.Outgoing> = [
  Calls.resolveProject(who, { workspace_slug: "nodedc", identifier: "OPS" }),
  Calls.projectContext(who, projectId),
  Calls.listIssues(who, { project_id: projectId, search: "a b&c", limit: 20 }),
  Calls.listComments(who, { project_id: projectId, issue_id: issueId, limit: 25 }),
  Calls.createIssue(ticket, {
    ...{ _tag: "CreateIssue", project_id: projectId, name: "A card", description_html: "<p></p>" },
    ...{ priority: "none", state_id: null, label_ids: [], assignee_ids: [], start_date: null },
    ...{ target_date: null, parent_id: null }
  }),
  Calls.updateIssue(ticket, { _tag: "UpdateIssue", ...on, planned, fields: { name: "Another name" } }),
  Calls.moveIssue(ticket, { _tag: "MoveIssue", ...on, planned, state_id: "state-2" }),
  Calls.setLabels(ticket, { _tag: "SetLabels", ...on, planned, label_ids: ["label-1"] }),
  Calls.setAssignees(ticket, { _tag: "SetAssignees", ...on, planned, assignee_ids: [] }),
  Calls.addComment(ticket, {
    ...{ _tag: "AddComment", project_id: projectId, issue_id: issueId, comment_html: "<p>Yes</p>" }
  })
]

// biome-ignore lint/suspicious/noExplicitAny: a document of JSON, read as a client would
const document = openapi() as any

describe("the document of Tasker's API", () => {
  for (const [name, endpoint] of all) {
    it(`the examples of ${name} have every field of its schemas and no other`, () => {
      const { body, parameters, query, response } = examples[name]
      decodes(endpoint.parameters, parameters)
      decodes(endpoint.query, query)
      decodes(endpoint.body, body)
      decodes(endpoint.response, response)
    })
  }

  it("what the adapter sends is what the document says, to the field", () => {
    assert.sameMembers(
      requests.map(({ name }) => name),
      all.map(([name]) => name)
    )
    for (const { body, method, name, path } of requests) {
      const endpoint: Endpoint = endpoints[name as EndpointName]
      const [segments = "", search = ""] = path.split("?")
      assert.strictEqual(method, endpoint.method)
      assert.match(segments, new RegExp(`^${endpoint.path.replace(/:\w+/g, "[0-9a-f-]{36}")}$`))
      const sent = [...new URLSearchParams(search).keys()]
      assert.includeMembers(Object.keys(endpoint.query?.fields ?? {}), sent)
      if (endpoint.body === undefined) assert.isUndefined(body)
      else Schema.decodeUnknownSync(endpoint.body, { onExcessProperty: "error" })(body)
    }
  })

  it("the headers have an example each", () => {
    decodes(Schema.Struct({ ...CallHeaders.fields, ...WriteHeaders.fields }), headers)
  })

  it("every row of the closed table of errors is shown with an example that the gateway reads so", () => {
    const text = markdown()
    for (const { calls, example, means, statuses } of errorTable) {
      assert.include(text, JSON.stringify(example).replaceAll("|", "\\|"))
      const asked = { fields: ["labels", "name"], makes: calls === "make" }
      for (const status of statuses) {
        assert.strictEqual(documentOf(status, example, asked)?.means, means, `${status} ${means}`)
      }
    }
  })

  it("every field is described or has a closed list of values", () => {
    const bare = markdown()
      .split("\n")
      .filter((line) => /^\| `[\w.]+` \|/.test(line) && line.endsWith("|  |"))
      .filter((line) => !/`urgent` `high`|\]\(#|object|`nodedc-agent-gateway`/.test(line))
    assert.deepStrictEqual(bare, [])
  })

  it("OpenAPI describes the ten calls, and its examples pass its schemas", () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    ajv.addSchema({ $id: "tasker", components: document.components })
    const at = (schema: unknown) =>
      ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"tasker#/components')))
    // biome-ignore lint/suspicious/noExplicitAny: a document of JSON, read as a client would
    const found = (node: any): any =>
      typeof node?.$ref === "string"
        ? node.$ref
            .split("/")
            .slice(1)
            // biome-ignore lint/suspicious/noExplicitAny: a document of JSON, read as a client would
            .reduce((at: any, key: string) => at[key], document)
        : node
    const seen = Object.entries(document.paths).flatMap(([path, methods]) =>
      // biome-ignore lint/suspicious/noExplicitAny: a document of JSON, read as a client would
      Object.entries(methods as any).map(([method, operation]: [string, any]) => {
        for (const { example, name, schema } of operation.parameters.map(found)) {
          assert.isTrue(at(schema)(example), `${operation.operationId} ${name}`)
        }
        const contents = [operation.requestBody, ...Object.values(operation.responses)]
          .map((holder) => found(holder)?.content["application/json"])
          .filter((content) => content !== undefined)
        for (const { example, examples: several = {}, schema } of contents) {
          const check = at(schema)
          const values = [
            ...(example === undefined ? [] : [example]),
            ...Object.values(several as Record<string, { value: unknown }>).map(({ value }) => value)
          ]
          assert.isAbove(values.length, 0)
          for (const value of values) {
            assert.isTrue(check(value), `${operation.operationId}: ${JSON.stringify(check.errors)}`)
          }
        }
        return `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ":$1")}`
      })
    )
    assert.sameMembers(
      seen,
      all.map(([, { method, path }]) => `${method} ${path}`)
    )
  })
})
