import { normalForm } from "./normalForm.ts"
import { stripInvisible } from "./PlainText.ts"

/**
 * A name that a stranger chose, made fit to be read by a person who decides by it.
 *
 * A client names itself, so its name is a claim, and may be written to be read as something else: with
 * characters that show nothing or turn the order around, with letters of one alphabet that look like those of
 * another, or so long that what matters is out of sight (UTS #39 sections 4 and 5, UTS #55). What can't be seen
 * goes; what looks like something else stays as it was sent and is marked, since a guess at what was meant
 * would be another false name.
 */
export interface DefusedName {
  /** One line, nothing invisible in it. Empty where nothing of what was sent can be seen. */
  readonly text: string
  readonly marks: ReadonlyArray<NameMark>
}

export type NameMark =
  /** Characters that show nothing were taken out. */
  | "stripped"
  /** It was longer; `…` stands where it was cut. */
  | "cut"
  /** A word of it has letters of several alphabets. */
  | "mixed_scripts"
  /** A word of it is made of letters that are easily taken for Latin ones. */
  | "lookalike"

/** How many characters as a person counts them (grapheme clusters) are shown. */
export const longestName = 60

/** What of a name is looked at at all, in UTF-16 units: no name is longer, and no work is done for one that is. */
const longestRead = 4096

export const defuseName = (sent: string, longest = longestName): DefusedName => {
  const read = sent.slice(0, longestRead)
  const visible = stripInvisible(read)
  const plain = oneLine(visible)
  const text = cutAt(plain, longest)
  const words = normalForm(text, "NFC").match(word) ?? []
  const marks: Array<[NameMark, boolean]> = [
    ["stripped", oneLine(read.toWellFormed()) !== plain],
    ["cut", text !== plain || sent.length > longestRead],
    ["mixed_scripts", words.some(mixesScripts)],
    ["lookalike", looksLatin(text, words)]
  ]
  return { text, marks: marks.flatMap(([mark, holds]) => (holds ? [mark] : [])) }
}

/**
 * White space, and the blank Braille pattern that is drawn as none, become single spaces. Marks that would
 * sit on the page's own text are dropped, and so are those piled up beyond three on a letter.
 */
const oneLine = (text: string): string =>
  text
    .replace(/[\s\u2800]+/gu, " ")
    .replace(/(^| )\p{M}+/gu, "$1")
    .replace(/(\p{M}{3})\p{M}+/gu, "$1")
    .replace(/ +/g, " ")
    .trim()

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" })

/** A grapheme cluster may be of any length (UAX #29), so units are bounded too. */
const unitsOfGrapheme = 8

const cutAt = (text: string, longest: number): string => {
  const kept: Array<string> = []
  let units = 0
  for (const { segment } of segmenter.segment(text)) {
    units += segment.length
    if (kept.length === longest || units > longest * unitsOfGrapheme) {
      return `${kept
        .slice(0, longest - 1)
        .join("")
        .trimEnd()}…`
    }
    kept.push(segment)
  }
  return text
}

const word = /[\p{L}\p{M}\p{N}]+/gu

/**
 * The scripts in common use (UAX #31 table 5), each with what is written together with it: East Asian text
 * takes Latin words in without a space (UTS #39 section 5.2, "highly restrictive").
 */
const scripts: ReadonlyArray<RegExp> = [
  ..."Latin Cyrillic Greek Armenian Hebrew Arabic Georgian Bengali Devanagari Ethiopic Gujarati".split(" "),
  ..."Gurmukhi Kannada Khmer Lao Malayalam Myanmar Oriya Sinhala Tamil Telugu Thaana Thai Tibetan".split(" "),
  "Latin Han Hiragana Katakana Bopomofo",
  "Latin Han Hangul"
].map((names) => new RegExp(`^[${names.replace(/\w+ ?/g, (name) => `\\p{scx=${name.trim()}}`)}]$`, "u"))

const isCommon = (letter: string): boolean => scripts.some((script) => script.test(letter))

const lettersOf = (text: string): ReadonlyArray<string> => text.match(/\p{L}/gu) ?? []

/** Whether no one way of writing has all of a word's letters; those in no common script are looked at apart. */
const mixesScripts = (text: string): boolean => {
  const letters = lettersOf(text).filter(isCommon)
  return !scripts.some((script) => letters.every((letter) => script.test(letter)))
}

/** The Latin letters that languages are written with; phonetic, small capital and full-width ones are not. */
const everydayLatin = /^[A-Za-z\u00AA\u00BA\u00C0-\u01BF\u01C4-\u024F\u02BB\u02BC\u1E00-\u1EFF]$/u

/** Letters of other alphabets that are drawn as a Latin one (UTS #39, confusables), in the fonts of browsers. */
const drawnAsLatin = new Set([
  ..."асеһіјорԛѕԝхуѵԁӏАВСЕНІЈКМОРЅТХУҮԌԚԜѴӀ",
  ..."αγικνορτυχϲϳΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹͿ",
  ..."օսոհզցյգԼՍՏՕ"
])

/** Below this a word is more likely to be one, as Russian has some of two such letters. */
const shortestLookalike = 3

const latin = /^\p{Script=Latin}$/u

/** A word counts that could be read as Latin, unless another letter of the name shows which alphabet it is in. */
const looksLatin = (text: string, words: ReadonlyArray<string>): boolean => {
  const letters = lettersOf(text)
  return (
    letters.some((letter) => !isCommon(letter) || (latin.test(letter) && !everydayLatin.test(letter))) ||
    [...text].some(isStyled) ||
    (letters.every((letter) => latin.test(letter) || drawnAsLatin.has(letter)) &&
      words
        .map(lettersOf)
        .some((word) => word.length >= shortestLookalike && word.every(drawnAsLatin.has, drawnAsLatin)))
  )
}

/** A letter in fancy dress, such as a mathematical or circled one (UAX #15, compatibility). */
const isStyled = (character: string): boolean =>
  !latin.test(character) && /^[A-Za-z]$/.test(normalForm(character, "NFKC"))
