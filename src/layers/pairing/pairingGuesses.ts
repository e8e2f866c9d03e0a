import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Schema, Semaphore } from "effect"
import { gatewayUnavailable, LimitReached } from "../../domain/Failure.ts"
import { type Account, chancesOf, exhausted, windowMinutes } from "../../domain/Guessing.ts"
import { blockOf, neighbourhood, networkOf } from "../../domain/Network.ts"
import { transaction } from "../database/transaction.ts"
import { isPending } from "./pairingSql.ts"

/** Any constant serves, so long as nothing else in the database takes the same. */
const lock = 7_305_402_614

const Guessed = Schema.Struct({
  account: Schema.String,
  guesses: Schema.Int,
  chances: Schema.Int,
  /** Until the oldest of them counts no more. */
  seconds: Schema.Int
})
const decodeCounts = Schema.decodeUnknownEffect(
  Schema.Tuple([Schema.Struct({ pending: Schema.Int, guessed: Schema.Array(Guessed) })])
)

const nothing = { guesses: 0, chances: 0, seconds: 1 }

/** Accounts have names that no two kinds of them share. A peer whose address is not known is one of each. */
const accountsOf = (address: string): Readonly<Record<Account, string>> => ({
  address: neighbourhood(address),
  network: networkOf(address),
  block: blockOf(address),
  all: "all"
})

/**
 * The account of wrong tries, all instances' together, by the rules of `domain/Guessing.ts`. Its lock is held from
 * before the account is read until the try is on it, so that no two are let in on what is left for one.
 *
 * By `statement_timestamp()`, not `now()`: a transaction that waited for the lock began before what it waited for.
 * A guess is on the account of a minute that began less than one before it, and is looked back on for eleven, so
 * it counts for ten minutes at least.
 */
export const pairingGuesses = (sql: PgClient) => {
  // Who waits for the lock holds a connection, and others need some for other things.
  const turns = Semaphore.makeUnsafe(2)

  const read = Effect.fnUntraced(function* (accounts: Readonly<Record<Account, string>>) {
    const { address, all, block, network } = accounts
    const [{ guessed, pending }] = yield* Effect.flatMap(
      sql`
        select
          (
            select count(*)::integer from pairing_codes p where ${isPending(sql)}
          ) as pending,
          coalesce((
            select json_agg(json_build_object(
              'account', g.account, 'guesses', g.guesses, 'chances', g.chances, 'seconds', g.seconds
            ))
            from (
              select account, sum(guesses) as guesses, sum(chances) as chances,
                ceil(extract(epoch from
                  min(minute) + ${windowMinutes}::integer * interval '1 minute' - statement_timestamp()
                ))::integer as seconds
              from pairing_guesses
              where account in (${address}, ${network}, ${block}, ${all})
                and minute > statement_timestamp() - ${windowMinutes}::integer * interval '1 minute'
              group by account
            ) g
          ), '[]') as guessed`,
      decodeCounts
    )
    const of = (account: string) => guessed.find((each) => each.account === account) ?? nothing
    const made = { address: of(address), network: of(network), block: of(block), all: of(all) }
    const by = exhausted(made, pending)
    if (by !== undefined) return yield* tooManyGuesses(Math.max(1, made[by].seconds))
    return pending
  })

  const count = ({ address, all, block, network }: Readonly<Record<Account, string>>, pending: number) => sql`
    insert into pairing_guesses as g (account, minute, guesses, chances)
    select distinct account, date_trunc('minute', statement_timestamp()), 1, ${chancesOf(pending)}::bigint
    from (values (${address}), (${network}), (${block}), (${all})) as accounts (account)
    on conflict (account, minute) do update
      set guesses = g.guesses + 1, chances = g.chances + excluded.chances`

  /**
   * Lets a try look, and charges it where it finds nothing; or refuses it unseen, so that past its limit a right
   * code is answered like a wrong one. Read once without the lock, which those who are refused need not wait for.
   * A lost COMMIT used no code up: at most the try was charged.
   */
  const tried = <A, E>(address: string, look: Effect.Effect<A | undefined, E>) => {
    const accounts = accountsOf(address)
    return Effect.andThen(
      read(accounts),
      turns.withPermit(
        transaction(
          sql,
          Effect.gen(function* () {
            yield* sql`select pg_advisory_xact_lock(${lock}::bigint)`
            const pending = yield* read(accounts)
            const found = yield* look
            if (found === undefined) yield* count(accounts, pending)
            return found
          })
        ).pipe(Effect.catchTag("CommitLost", () => Effect.fail(gatewayUnavailable())))
      )
    )
  }

  return { tried }
}

const tooManyGuesses = (seconds: number): LimitReached =>
  new LimitReached({
    reason: "rate",
    message: `Too many wrong pairing codes were tried; this one was not looked at and not used up. Try again in ${seconds} s, from another network, or with a token that its owner makes in Tasker.`,
    retryable: true,
    details: { retry_after_seconds: seconds }
  })
