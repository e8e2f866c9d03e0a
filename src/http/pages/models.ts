import type { PairingRefused } from "../../domain/Failure.ts"
import type { Language } from "../../domain/Language.ts"
import type { Scope } from "../../domain/Scope.ts"

/**
 * What the pages of a login show, as data. Text that comes from a client, an owner or Tasker goes in as it
 * was sent: the pages make it harmless and mark what looks like something else (`text/DefusedName.ts`).
 */

/** A page as it is answered. The headers are all that it needs besides those of every answer. */
export interface Page {
  readonly status: number
  readonly html: string
  readonly headers: Readonly<Record<string, string>>
}

/**
 * The names of the fields that a form of these pages sends, besides `hidden` ones. Every button sends
 * `action`, so that one press is one meaning:
 *
 * - `continue`: the code is to be looked at;
 * - `allow`: the scopes that are ticked are given, and the browser goes back to the program (303);
 * - `paste`: the same, for a program on another computer: answered with `donePage`;
 * - `deny`: nothing is given (`access_denied`). Both pages have it;
 * - `lang:en`, `lang:ru`: the same page in that language, with what was typed and ticked, and nothing else
 *   done: no code is looked at, no guess counted.
 */
export const fields = { action: "action", code: "code", scope: "scope", language: "lang" } as const

export type Action = "continue" | "allow" | "paste" | "deny" | `lang:${Language}`

export const actions: ReadonlyArray<Action> = ["continue", "allow", "paste", "deny", "lang:en", "lang:ru"]

/** What every page has. */
export interface Common {
  readonly language: Language
  /** Shown small at the end of failures, so that an operator finds them in the log. */
  readonly requestId: string
}

/** A page with a form on it, which is posted to where it came from. */
export interface WithForm extends Common {
  /** Where the form goes: a path of ours with the request's parameters as its query. */
  readonly action: string
  /** Sent along unseen: a CSRF token, the consent's id. `lang` is added by the page. */
  readonly hidden: Readonly<Record<string, string>>
  readonly asking: Asking
}

/** The program that asks, as far as is known. */
export interface Asking {
  /** As the client named itself; null where it did not. */
  readonly clientName: string | null
  /**
   * Who stands behind that name: nobody, where a program registered itself (RFC 7591); the host whose
   * document names it, where the client is known by a metadata document.
   */
  readonly vouchedBy: string | null
  /** Proven before any page but a failure is shown. */
  readonly redirectUri: string
  /** The address from which the program registered itself; null where that is not known. */
  readonly programAddress: string | null
  /** The address of the browser that looks at the page. */
  readonly browserAddress: string
}

/** Why a code that was typed did not lead on. `empty` and `malformed` are no guesses. */
export type CodeError = "empty" | "malformed" | Exclude<PairingRefused["reason"], "too_many"> | "limit"

export interface CodePage extends WithForm {
  /** What was typed before, shown again where it was not right; empty at first. */
  readonly typed: string
  readonly error?: CodeError | undefined
  /** With `limit`: when another try is let in. */
  readonly retryAfterSeconds?: number | undefined
}

/** A project for which something is granted. */
export interface ShownProject {
  readonly id: string
  /** As Tasker names it; null where Tasker could not be asked in time. */
  readonly name: string | null
  readonly identifier: string | null
  readonly workspaceSlug: string
  /** What the grant holds. */
  readonly scopes: ReadonlyArray<Scope>
  /** When the grant ends, ISO 8601; null: not by itself. */
  readonly expiresAt: string | null
  readonly maxWritesPerDay: number | null
}

export interface ConsentPage extends WithForm {
  readonly owner: { readonly id: string; readonly email: string }
  readonly agentName: string
  /** Projects with at least one scope of `offered`. Never empty: else it is the failure `nothing_granted`. */
  readonly projects: ReadonlyArray<ShownProject>
  /** What was asked and is granted somewhere: what can be ticked. */
  readonly offered: ReadonlyArray<Scope>
  /** What is ticked: all that is offered, at first; after that what the person left. */
  readonly ticked: ReadonlyArray<Scope>
  /** After how many days without use the login ends by itself. */
  readonly idleDays: number
  /** True if every grant has to end, because the gateway can't see that a person was removed from a project. */
  readonly grantsEnd: boolean
  /** For how long this page can still be answered. */
  readonly minutesLeft: number
  readonly error?: "nothing_ticked" | undefined
}

export interface DonePage extends Common {
  readonly clientName: string | null
  /** The whole address with code, state and issuer that the program waits for. */
  readonly callback: string
}

/** Why a login can't go on. Each has its status and its words in `failurePage`. */
export type FailureKind =
  /** `client_id` is missing, unknown or its registration has lapsed. */
  | "client_unknown"
  /** The client's metadata document could not be read, or is not one. */
  | "client_unreadable"
  /** `redirect_uri` is missing, not the client's, or leads to a host that is not named by the operator. */
  | "redirect_refused"
  /** The request can't be read, or a parameter is there twice, before it is known where to answer. */
  | "request_malformed"
  /** A form from another page, or whose proof does not fit this browser (CSRF). */
  | "form_foreign"
  /** The browser did not send the cookie back. */
  | "cookie_missing"
  /** The consent was not given in time, or was already given. */
  | "consent_expired"
  /** The code stopped being good between the two steps. */
  | "code_used"
  | "code_expired"
  | "code_cancelled"
  | "code_locked"
  | "agent_disabled"
  /** The agent has no grant that holds anything of what is asked. */
  | "nothing_granted"
  /** Too many tries, from this address or in all. */
  | "too_many"
  /** The database is out, or the gateway is stopping. */
  | "unavailable"
  /** A defect. */
  | "internal"

export interface FailurePage extends Common {
  readonly kind: FailureKind
  /** Where the login begins anew with the same request, a path of ours. Not shown where that would not help. */
  readonly again?: string | undefined
  readonly retryAfterSeconds?: number | undefined
  /** With `redirect_refused`: what was asked for, as it was sent. */
  readonly redirectUri?: string | undefined
  /** The same page's address in the other language, a path of ours; left out: no switch. */
  readonly otherLanguage?: string | undefined
}
