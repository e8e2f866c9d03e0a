import type { Language } from "../../src/domain/Language.ts"
import { allScopes } from "../../src/domain/Scope.ts"
import { codePage } from "../../src/http/pages/codePage.ts"
import { consentPage } from "../../src/http/pages/consentPage.ts"
import { donePage } from "../../src/http/pages/donePage.ts"
import { failurePage } from "../../src/http/pages/failurePage.ts"
import type {
  Asking,
  CodeError,
  CodePage,
  ConsentPage,
  FailureKind,
  Page,
  ShownProject
} from "../../src/http/pages/models.ts"

/** The pages with everything that they can show, for tests of how they look and for the pictures of the documents. */

export const languages: ReadonlyArray<Language> = ["en", "ru"]

const redirectUri = "http://127.0.0.1:43117/callback"

export const asking: Asking = {
  clientName: "Codex",
  vouchedBy: "chatgpt.com",
  redirectUri,
  programAddress: null,
  browserAddress: "198.51.100.24"
}

/** A stranger's program, with all that a person should be warned of. */
export const dubious: Asking = {
  clientName: "Cоdex\u202e (official)",
  vouchedBy: null,
  redirectUri: "https://xn--dex-qdd2a.example/callback",
  programAddress: "203.0.113.9",
  browserAddress: "198.51.100.24"
}

const common = (language: Language) => ({ language, requestId: "0b5f7d0e-52c6-4a63-9d8e-4f6f0a3d7c11" })

const form = (language: Language) => ({
  ...common(language),
  action: "/oauth/authorize?client_id=https%3A%2F%2Fchatgpt.com%2Foauth%2Fcodex%2Fclient.json&state=s1",
  hidden: { csrf: "k3s" },
  asking
})

export const codeModel = (language: Language, rest: Partial<CodePage> = {}): CodePage => ({
  ...form(language),
  typed: "",
  ...rest
})

export const project = (rest: Partial<ShownProject> = {}): ShownProject => ({
  id: "7d3f1a52-6f0e-4b57-8c1f-0d1c5a2b9e10",
  name: "Мобильное приложение",
  identifier: "APP",
  workspaceSlug: "studio",
  scopes: allScopes,
  expiresAt: null,
  maxWritesPerDay: null,
  ...rest
})

export const consentModel = (language: Language, rest: Partial<ConsentPage> = {}): ConsentPage => ({
  ...form(language),
  owner: { id: "42", email: "anna.orlova@nodedc.example" },
  agentName: "Codex on Anna’s laptop",
  projects: [
    project(),
    project({
      id: "0a8e5f0c-43c9-4a0e-9f0b-7f4a0a2f61d3",
      name: "Operations",
      identifier: "OPS",
      scopes: ["project:read", "issue:read", "comment:create"],
      expiresAt: "2026-12-24T12:00:00.000Z",
      maxWritesPerDay: 50
    })
  ],
  offered: allScopes,
  ticked: allScopes,
  idleDays: 90,
  grantsEnd: false,
  minutesLeft: 9,
  ...rest
})

export const callback = `${redirectUri}?code=Zr1J0w3mQbYkS8v5uE2xHn7TgLc4PdAfXo9iKqWt6Bs&state=q8Jx2mVbN4&iss=https%3A%2F%2Fops-agents.nodedc.ru`

const codeErrors: ReadonlyArray<CodeError> = [
  ..."empty malformed unknown used expired cancelled locked agent_disabled limit".split(" ")
] as ReadonlyArray<CodeError>

const failureKinds = [
  ..."client_unknown client_unreadable redirect_refused request_malformed form_foreign cookie_missing".split(
    " "
  ),
  ..."consent_expired code_used code_expired code_cancelled code_locked agent_disabled nothing_granted".split(
    " "
  ),
  ..."too_many unavailable internal".split(" ")
] as ReadonlyArray<FailureKind>

/** Every page there is, under a name, in one language. */
export const allPages = (language: Language): Readonly<Record<string, Page>> => ({
  code: codePage(codeModel(language)),
  "code-dubious": codePage(codeModel(language, { asking: dubious })),
  ...Object.fromEntries(
    codeErrors.map((error) => [
      `code-${error}`,
      codePage(
        codeModel(language, {
          error,
          typed: "BCDF-GHJK-LMNQ",
          retryAfterSeconds: error === "limit" ? 340 : undefined
        })
      )
    ])
  ),
  consent: consentPage(consentModel(language)),
  "consent-dubious": consentPage(
    consentModel(language, {
      asking: dubious,
      agentName: "Ассистент\u200b команды эксплуатации с очень длинным именем, которое не помещается",
      projects: [project({ name: null, identifier: null })],
      offered: ["issue:read", "comment:create"],
      ticked: ["issue:read"],
      minutesLeft: 1
    })
  ),
  "consent-nothing": consentPage(consentModel(language, { ticked: [], error: "nothing_ticked" })),
  "consent-many": consentPage(
    consentModel(language, {
      projects: Array.from({ length: 14 }, (_, i) =>
        project({ name: `Board ${i + 1}`, identifier: `B${i + 1}` })
      )
    })
  ),
  done: donePage({ ...common(language), clientName: "Codex", callback }),
  ...Object.fromEntries(
    failureKinds.map((kind) => [
      `failure-${kind}`,
      failurePage({
        ...common(language),
        kind,
        again: "/oauth/authorize?client_id=x",
        otherLanguage: "/oauth/authorize?client_id=x&lang=ru",
        redirectUri: kind === "redirect_refused" ? "https://codex.example.evil/callback" : undefined,
        retryAfterSeconds: kind === "too_many" ? 95 : undefined
      })
    ])
  )
})
