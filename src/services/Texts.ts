import { Context, type Effect } from "effect"
import type { LimitReached } from "../domain/Failure.ts"
import type { AgentId } from "../domain/Ids.ts"

/** Markdown as the HTML that Tasker keeps. */
export type Rendered =
  | {
      readonly _tag: "Html"
      readonly html: string
      /** False if a reader of the card would see nothing of it. */
      readonly shows: boolean
    }
  /** It has more structure than is read, or took longer than a conversion may. */
  | { readonly _tag: "TooComplex" }

/** HTML of Tasker's as Markdown, without anything hidden and without a token of ours. */
export interface ReadText {
  readonly markdown: string
  /** True if the conversion took too long: the text is its words, in plain paragraphs. */
  readonly plain: boolean
  /** What it holds that Markdown can't carry back, by kind. */
  readonly lost: ReadonlyArray<string>
}

/** Names of people by their ids, for mentions. */
export type PeopleNames = ReadonlyMap<string, string>

/** Conversions on one agent's account. `E` is what they are refused with beyond its share. */
export interface AgentTexts<E> {
  readonly render: (markdown: string) => Effect.Effect<Rendered, E>
  readonly read: (html: string | null, people?: PeopleNames) => Effect.Effect<ReadText, E>
  /** True if two HTML texts say the same. Compares their words if more would take too long. */
  readonly same: (one: string | null, other: string | null) => Effect.Effect<boolean, E>
  /** True if a reader of the HTML could find one of the gateway's tokens in it, spelled in whatever way. */
  readonly holdsSecret: (html: string) => Effect.Effect<boolean, E>
  /** Tokens of a text of at most `longestCounted` characters; undefined if it was not counted. */
  readonly tokens: (text: string) => Effect.Effect<number | undefined>
}

/** Longest text whose tokens are counted, in UTF-16 units. */
export const longestCounted = 64_000

/**
 * Converts texts between Markdown and HTML. What takes more than a few milliseconds runs beside the event loop,
 * for each agent within its share and with a limit of CPU time for each text.
 */
export class Texts extends Context.Service<
  Texts,
  {
    /** For a call that may still be refused: `limit.rate` if the agent has used up its share. */
    readonly of: (agent: AgentId) => AgentTexts<LimitReached>
    /** For a caller who is not known yet: converts short texts at once, and nothing else. */
    readonly short: AgentTexts<never>
    /** For what follows a write that was sent: put off while there is no room, never refused. */
    readonly owed: (agent: AgentId) => AgentTexts<never>
  }
>()("tasker-codex-api/services/Texts") {}
