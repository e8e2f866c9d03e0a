import { createHash } from "node:crypto"
import type { OpenApi } from "effect/http-api"
import { problems } from "./Problem.ts"

/**
 * The API as one page for people, made from its OpenAPI document. There is no script on it, and
 * nothing comes from elsewhere: its policy allows one style sheet, by its hash.
 */
export const docsPage = (spec: OpenApi.OpenAPISpec): { readonly html: string; readonly policy: string } => ({
  policy: `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  html: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(spec.info.title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escape(spec.info.title)} <small>${escape(spec.info.version)}</small></h1>
<p>${escape(spec.info.description ?? "")} The same as data: <a href="/openapi.json">/openapi.json</a>.</p>
${spec.tags.map((tag) => section(spec, tag.name, tag.description)).join("\n")}
<section>
<h2 id="codes">Codes of failures</h2>
<p>A failure is <code>application/problem+json</code> with one of these as its <code>code</code>; <code>detail</code> says what to do next, and <code>request_id</code> finds it in the log.</p>
<table>
<tr><th>Code</th><th>Status</th><th>Meaning</th></tr>
${Object.entries(problems)
  .map(
    ([code, { status, title }]) =>
      `<tr id="${code}"><td><code>${code}</code></td><td>${status}</td><td>${escape(title)}</td></tr>`
  )
  .join("\n")}
</table>
</section>
</body>
</html>
`
})

const style = `
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff }
h2 { margin-top: 2.5rem } small { color: #667 } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #dde; vertical-align: top }
details { margin: .4rem 0 } summary { cursor: pointer } pre { overflow: auto; background: #f5f6f8; padding: .8rem }
code, pre { font: 13px/1.5 ui-monospace, monospace } .method { display: inline-block; width: 4.5rem; font-weight: 600 }
:target { background: #fff6cc }
@media (prefers-color-scheme: dark) {
  body { color: #e6e8eb; background: #16181c } pre { background: #22252b } th, td { border-color: #333842 }
  a { color: #8ab4ff } :target { background: #4a4320 }
}
`

const methods = ["get", "post", "put", "patch", "delete"] as const

const section = (spec: OpenApi.OpenAPISpec, tag: string, description: string | undefined): string => {
  const operations = Object.entries(spec.paths).flatMap(([path, item]) =>
    methods.flatMap((method) => {
      const operation = item[method]
      return operation?.tags.includes(tag) === true ? [{ path, method, operation }] : []
    })
  )
  return `<section>
<h2>${escape(tag)}</h2>
<p>${escape(description ?? "")}</p>
${operations.map(({ method, operation, path }) => entry(method, path, operation)).join("\n")}
</section>`
}

const entry = (method: string, path: string, operation: OpenApi.OpenAPISpecOperation): string => {
  const body = operation.requestBody?.content["application/json"]?.schema
  const parameters = operation.parameters.map(
    ({ in: where, name, required }) =>
      `<tr><td><code>${escape(name)}</code></td><td>${where}</td><td>${required ? "required" : "optional"}</td></tr>`
  )
  const responses = Object.entries(operation.responses).map(
    ([status, { content, description }]) =>
      `<tr><td>${status}</td><td>${escape(Object.keys(content ?? {}).join(", "))}</td><td>${escape(description)}</td></tr>`
  )
  return `<details>
<summary><span class="method">${method.toUpperCase()}</span> <code>${escape(path)}</code></summary>
${parameters.length === 0 ? "" : `<table>${parameters.join("")}</table>`}
${body === undefined ? "" : `<pre>${escape(JSON.stringify(body, null, 2))}</pre>`}
<table>${responses.join("")}</table>
</details>`
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

const escape = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => entities[character] ?? character)
