import type { Scope } from "../../domain/Scope.ts"
import type { NameMark } from "../../text/DefusedName.ts"
import type { Html } from "./html.ts"
import type { CodeError, FailureKind } from "./models.ts"

/** Every word on the pages, in one language. What is given to a phrase is text already made harmless. */
export interface Phrases {
  /** The language's own name for itself, for the switch. */
  readonly own: string
  readonly product: string
  readonly skipError: string
  readonly step: (step: number, of: number) => string
  /** For a program that sent no name that can be seen. */
  readonly nameless: string
  readonly marks: Readonly<Record<NameMark, string>>
  readonly code: {
    readonly title: string
    readonly lead: (name: Html) => Html
    readonly how: string
    readonly label: string
    readonly hint: string
    readonly caution: string
    readonly next: string
    readonly cancel: string
    readonly errors: Readonly<Record<Exclude<CodeError, "limit">, string>>
    readonly limit: (seconds: number | undefined) => string
  }
  readonly consent: {
    readonly title: string
    readonly heading: (name: Html) => Html
    readonly nothingTicked: string
    readonly who: string
    readonly program: string
    readonly ownWord: string
    readonly vouched: (host: Html) => Html
    readonly answerTo: string
    readonly thisComputer: string
    readonly elsewhere: string
    readonly punycode: string
    readonly from: string
    readonly thisBrowser: string
    readonly sameAddress: string
    readonly otherAddress: (browser: Html) => Html
    readonly whom: string
    readonly owner: string
    readonly agent: string
    readonly where: string
    readonly onlyHere: (what: ReadonlyArray<string>) => string
    readonly more: (projects: number) => string
    readonly ends: (when: Html) => Html
    readonly endsWhy: string
    readonly daily: (writes: number) => string
    readonly what: string
    readonly tickHint: string
    readonly reads: string
    readonly writes: string
    readonly scopes: Readonly<Record<Scope, string>>
    /** The same, short, for a project that has less than others. */
    readonly shortScopes: Readonly<Record<Scope, string>>
    readonly neverTitle: string
    readonly never: ReadonlyArray<string>
    readonly untilTitle: string
    readonly until: (idleDays: number) => string
    readonly allow: string
    readonly deny: string
    readonly minutesLeft: (minutes: number) => string
    readonly elsewhereTitle: string
    readonly elsewhereText: string
    readonly paste: string
  }
  readonly done: {
    readonly title: string
    readonly lead: (name: Html) => Html
    readonly label: string
    readonly hint: string
    readonly secret: string
    readonly hereInstead: string
    readonly afterwards: string
  }
  readonly failure: {
    readonly next: string
    readonly again: string
    readonly wait: (seconds: number) => string
    readonly asked: string
    readonly requestId: string
    readonly kinds: Readonly<Record<FailureKind, FailureWords>>
  }
}

export interface FailureWords {
  readonly title: string
  readonly what: string
  /** What to do next, in order. Never empty. */
  readonly steps: ReadonlyArray<Html | string>
}
