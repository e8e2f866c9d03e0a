import { stripControls } from "../../text/PlainText.ts"
import type { Checked } from "./check.ts"
import { type CallFound, callsFound, type Finding, type PromiseFound, promisesFound } from "./findings.ts"
import type { Place } from "./Place.ts"
import type { Exchange } from "./Probe.ts"

/** The result of a check, in words and as JSON. */

export interface Report {
  readonly tasker: string
  readonly workspace_slug: string
  readonly project_id: string
  readonly owner_user_id: string
  readonly wrote: boolean
  readonly calls: ReadonlyArray<CallFound & { readonly exchanges: ReadonlyArray<Exchange> }>
  readonly promises: ReadonlyArray<PromiseFound>
  readonly cards_made: Checked["made"]
  readonly requests: number
}

const needsWrite = "needs --write"
const notReached = "a call before it is wrong"

export const reportOf = (
  place: Place,
  { findings, made, owner, project }: Checked,
  exchanges: ReadonlyArray<Exchange>,
  asked: { readonly write: boolean; readonly verbose: boolean }
): Report => ({
  tasker: place.url.href.replace(/\/+$/, ""),
  workspace_slug: place.workspaceSlug,
  project_id: place.projectId,
  owner_user_id: owner.id,
  wrote: asked.write,
  calls: callsFound(findings).map((found) => ({
    ...found,
    exchanges: asked.verbose
      ? exchanges.filter(({ call }) => call === found.call)
      : exchangesOfWrong(findings, found.call)
  })),
  promises: promisesFound(findings, asked.write || project === undefined ? notReached : needsWrite),
  cards_made: made,
  requests: exchanges.length
})

const exchangesOfWrong = (findings: ReadonlyArray<Finding>, call: string): ReadonlyArray<Exchange> => {
  const own = findings.flatMap((finding) =>
    finding._tag === "Wrong" && finding.call === call ? [finding.exchange] : []
  )
  return [...new Set(own)]
}

/** True if a call is wrong, or was to be checked and could not be. */
export const isWrong = ({ calls, wrote }: Report): boolean =>
  calls.some(({ result }) => result === "wrong" || (wrote && result === "not checked"))

const longestBody = 2000

const shown = (text: string): string => {
  const clean = stripControls(text)
  return clean.length > longestBody ? `${clean.slice(0, longestBody)}… (${clean.length} characters)` : clean
}

const exchangeLines = (exchange: Exchange): ReadonlyArray<string> => {
  const { body, headers, method, millis, path, purpose, response, status, type } = exchange
  return [
    `      # ${purpose}`,
    `      > ${method} ${path}`,
    ...Object.entries(headers).map(([name, value]) => `      > ${name}: ${value}`),
    ...(body === undefined ? [] : [`      > ${shown(JSON.stringify(body))}`]),
    `      < ${status ?? "no response"}${type === null ? "" : `, ${type}`}, ${millis} ms`,
    ...shown(response)
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => `      < ${line}`),
    ""
  ]
}

const paint = (colour: boolean) => (code: number, text: string) =>
  colour ? `\u001b[${code}m${text}\u001b[0m` : text

const hues = {
  works: 32,
  holds: 32,
  "works without": 33,
  "does not hold": 33,
  wrong: 31,
  "not checked": 2
} as const

const count = (results: ReadonlyArray<string>, names: ReadonlyArray<string>): string =>
  names
    .map((name) => ({ name, n: results.filter((result) => result === name).length }))
    .filter(({ n }) => n > 0)
    .map(({ n, name }) => `${name} ${n}`)
    .join(", ")

/** The report as a person reads it. */
export const words = (
  report: Report,
  { owner, project }: Checked,
  taken: boolean,
  colour: boolean
): string => {
  const hue = paint(colour)
  const result = (name: keyof typeof hues) => hue(hues[name], name.padEnd(13))
  const callLines = report.calls.flatMap(({ exchanges, method, path, result: found, without, wrong }) => [
    `  ${result(found)}  ${method.padEnd(5)} ${path}`,
    ...wrong.map((what) => `      ${hue(31, "wrong")}: ${shown(what)}`),
    ...without.map((what) => `      without ${shown(what)}`),
    ...exchanges.flatMap(exchangeLines)
  ])
  const tried = report.promises.filter(({ because }) => because !== needsWrite)
  const promiseLines = tried.flatMap(({ because, id, result: found, title }) => [
    `  ${result(found)}  ${id.padEnd(20)}  ${title}`,
    ...(because === null ? [] : [`${" ".repeat(39)}${hue(2, shown(because))}`])
  ])
  const untried = report.promises.length - tried.length
  const made = report.cards_made.map(
    ({ id, identifier, name }) => `  ${identifier.padEnd(10)} ${id}  ${shown(name)}`
  )
  return [
    `Tasker   ${report.tasker}`,
    `Project  ${project === undefined ? "" : `${shown(project.identifier)} ${shown(project.name)}, `}${report.project_id} in ${report.workspace_slug}`,
    `Owner    ${owner.id} <${owner.email}>${taken ? ", taken from the members" : ""}`,
    "",
    "Calls",
    ...callLines,
    "",
    "Promises",
    ...promiseLines,
    ...(untried === 0 ? [] : [`  ${result("not checked")}  ${untried} more, which need --write`]),
    "",
    ...(made.length === 0 ? [] : ["Cards made by this check; delete them by hand", ...made, ""]),
    `Calls: ${count(
      report.calls.map((call) => call.result),
      ["works", "works without", "wrong", "not checked"]
    )}. Promises: ${count(
      report.promises.map((promise) => promise.result),
      ["holds", "does not hold", "not checked"]
    )}. ${report.requests} requests.`
  ].join("\n")
}
