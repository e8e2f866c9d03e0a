import { Effect } from "effect"
import { type Reply, sendTo } from "./served.ts"

/** A page's form as a browser reads it: where it goes, and what it sends that nobody sees. */
export interface Form {
  readonly action: string
  readonly hidden: Readonly<Record<string, string>>
  /** Ticks, and which of them are set. */
  readonly ticks: ReadonlyArray<{ readonly value: string; readonly ticked: boolean }>
}

const unescaped = (text: string): string =>
  text
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&")

const attribute = (tag: string, name: string): string | undefined => {
  const found = new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1]
  return found === undefined ? undefined : unescaped(found)
}

export const formOf = ({ text }: Reply): Form => {
  const [form] = /<form\s[^>]*>/.exec(text) ?? []
  const inputs = [...text.matchAll(/<input\s[^>]*>/g)].map(([tag]) => tag)
  const of = (type: string) => inputs.filter((tag) => attribute(tag, "type") === type)
  return {
    action: attribute(form ?? "", "action") ?? "",
    hidden: Object.fromEntries(
      of("hidden").map((tag) => [attribute(tag, "name") ?? "", attribute(tag, "value") ?? ""])
    ),
    ticks: of("checkbox").map((tag) => ({
      value: attribute(tag, "value") ?? "",
      ticked: /\schecked/.test(tag)
    }))
  }
}

/** A page that a browser shows, with the address that it came from. */
export interface Shown extends Reply {
  readonly url: string
}

type Filled = Readonly<Record<string, string | ReadonlyArray<string>>>

/** A browser as far as a login needs one: it keeps cookies, and sends forms where they say. */
export class Browser {
  readonly cookies = new Map<string, string>()
  readonly headers: Readonly<Record<string, string>>

  constructor(headers: Readonly<Record<string, string>> = {}) {
    this.headers = headers
  }

  open(url: string): Effect.Effect<Shown> {
    return this.#send(url, {})
  }

  /** Presses a button of the page's form. What is not filled in is sent as the page has it. */
  press(page: Shown, action: string, filled: Filled = {}): Effect.Effect<Shown> {
    const form = formOf(page)
    const fields: Record<string, string | ReadonlyArray<string>> = {
      ...form.hidden,
      scope: form.ticks.filter(({ ticked }) => ticked).map(({ value }) => value),
      ...filled,
      action
    }
    const body = new URLSearchParams(
      Object.entries(fields).flatMap(([name, value]) => [value].flat().map((one) => [name, one]))
    )
    const target = new URL(form.action, page.url)
    return this.#send(target.href, {
      method: "POST",
      body: body.toString(),
      headers: { "content-type": "application/x-www-form-urlencoded", origin: target.origin }
    })
  }

  #send(url: string, sent: { method?: string; body?: string; headers?: Readonly<Record<string, string>> }) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ")
    const headers = { ...this.headers, ...sent.headers, ...(cookie === "" ? {} : { cookie }) }
    return Effect.map(sendTo(url, { ...sent, headers }), (reply): Shown => {
      for (const line of reply.headers["set-cookie"] ?? []) this.#keep(line)
      return { ...reply, url }
    })
  }

  #keep(line: string): void {
    const [pair = ""] = line.split(";")
    const at = pair.indexOf("=")
    if (/;\s*max-age=0\b/i.test(line)) this.cookies.delete(pair.slice(0, at))
    else this.cookies.set(pair.slice(0, at), pair.slice(at + 1))
  }
}
