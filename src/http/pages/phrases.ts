import type { Language } from "../../domain/Language.ts"
import { english } from "./english.ts"
import { russian } from "./russian.ts"
import type { Phrases } from "./words.ts"

export const phrases: Readonly<Record<Language, Phrases>> = { en: english, ru: russian }
