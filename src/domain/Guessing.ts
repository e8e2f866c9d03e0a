/**
 * How many pairing codes may be guessed wrong. A guess names no code, so it is right if it hits any of those that
 * are pending: with P of them, with a chance of P in 20¹². Each guess is therefore charged with P chances, and in
 * all no more than `allowance` of them are given in a code's life of ten minutes, any ten minutes: by the union
 * bound, everybody's guesses together hit with a chance of at most allowance / 20¹² < 2⁻³², however many
 * addresses they come from and however P changes meanwhile. With a thousand codes pending that is 953 guesses.
 *
 * What is everybody's could be used up by one, so it is shared out, by the network that a guess comes from:
 *
 * - an address has ten guesses, its network thirty, and its block a sixteenth of all chances;
 * - a network that has guessed wrong three times guesses on only while three quarters of all chances are left, one
 *   that has guessed wrong at all only while half of them are. Who has not is let in to the end.
 *
 * So the second half of the allowance is used up by first guesses alone: nobody who types a right code from a
 * network that has guessed nothing is turned away before hundreds of networks (477 with a thousand codes pending,
 * 47,684 with ten or fewer) in sixteen blocks or more have guessed within eleven minutes.
 */

const codes = 20 ** 12
const chance = 2 ** -32

/** Chances in a code's life, of all guesses together: 953,674. */
export const allowance = Math.floor(codes * chance)

/** Minutes looked back on: a code's life, and one more, since they are counted from the full minute. */
export const windowMinutes = 11

/** As many codes as a guess is charged for at least: else nothing would bound guesses while nothing is pending. */
const fewest = 10

/** What one guess costs while so many codes are pending. */
export const chancesOf = (pending: number): number => Math.max(fewest, pending)

/** Wrong guesses within the window. */
export interface Guessed {
  readonly guesses: number
  readonly chances: number
}

/** On whose accounts a guess is. */
export type Account = "address" | "network" | "block" | "all"

const ofAddress = 10
const ofNetwork = 30
const ofBlock = allowance / 16

/** How much of all chances may be used up for a network to be let in that guessed wrong so often. */
const shareAfter = (guesses: number): number => (guesses === 0 ? 1 : guesses < 3 ? 1 / 2 : 1 / 4)

/** The account on which one more try is refused unseen, if there is one. */
export const exhausted = (made: Readonly<Record<Account, Guessed>>, pending: number): Account | undefined => {
  const cost = chancesOf(pending)
  if (made.address.guesses >= ofAddress) return "address"
  if (made.network.guesses >= ofNetwork) return "network"
  // A block's first guess is no more than anybody's: however many codes are pending, it is not too much for it.
  if (made.block.guesses > 0 && made.block.chances + cost > ofBlock) return "block"
  return made.all.chances + cost > allowance * shareAfter(made.network.guesses) ? "all" : undefined
}
