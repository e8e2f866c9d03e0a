import { Effect, Option } from "effect"
import { Settings } from "../../Config.ts"
import { loginDays } from "../../domain/Login.ts"
import { type BrowserKey, formProof } from "../../domain/OAuthConsent.ts"
import type { Scope } from "../../domain/Scope.ts"
import type { Consent } from "../../services/Authorization.ts"
import type { Paired } from "../../services/Pairing.ts"
import { TaskerAdapter } from "../../services/TaskerAdapter.ts"
import { consentPage } from "../pages/consentPage.ts"
import type { ShownProject } from "../pages/models.ts"
import { Halted } from "./asked.ts"
import { offeredIn, shownProjects } from "./consentView.ts"
import { aboutConsent, askingOf, hidden, type Visit } from "./visit.ts"

/** What there is to decide on. */
export interface View {
  readonly paired: Paired
  readonly offered: ReadonlyArray<Scope>
  readonly projects: ReadonlyArray<ShownProject>
}

/** The second page, as it is shown first and again. */
export const makeConsentPage = Effect.gen(function* () {
  const tasker = yield* TaskerAdapter
  const { longestGrant } = yield* Settings

  /** What the agent holds now of what is asked, in its projects. */
  const look = Effect.fnUntraced(function* (visit: Visit, paired: Paired): Effect.fn.Return<View, Halted> {
    const offered = offeredIn(paired.grants, visit.asked.scopes)
    if (offered.length === 0) return yield* new Halted({ kind: "nothing_granted" })
    const who = { agent: paired.agent, requestId: visit.requestId }
    return { paired, offered, projects: yield* shownProjects(tasker, who, paired.grants, offered) }
  })

  const page = (
    visit: Visit,
    { offered, paired, projects }: View,
    consent: Consent,
    key: BrowserKey,
    ticked: ReadonlyArray<Scope>,
    error?: "nothing_ticked"
  ) =>
    consentPage({
      language: visit.language,
      requestId: visit.requestId,
      action: visit.action,
      hidden: {
        [hidden.consent]: consent.id,
        [hidden.proof]: formProof(key, aboutConsent(consent.id))
      },
      asking: askingOf(visit),
      owner: { id: paired.agent.owner_user_id, email: paired.agent.owner_email },
      agentName: paired.agent.display_name,
      projects,
      offered,
      ticked: offered.filter((scope) => ticked.includes(scope)),
      idleDays: loginDays,
      grantsEnd: Option.isSome(longestGrant),
      minutesLeft: consent.secondsLeft / 60,
      error
    })

  return { look, page }
})
