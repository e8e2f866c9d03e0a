import { assert, describe, it } from "@effect/vitest"
import { migrations } from "../../src/layers/database/Migrations.ts"
import { lockFaults } from "../support/migration-locks.ts"

/** Written before there were rules; their text is fixed by their checksums. */
const before = 17

describe("a migration", () => {
  for (const { name, sql, version } of migrations.filter(({ version }) => version > before)) {
    it(`${version} ${name} holds no lock that stops calls for the time of a scan`, () =>
      assert.deepStrictEqual(lockFaults(sql), []))
  }

  it("16 is one that the rules would refuse: it builds two indexes and scans for its check", () => {
    const [resending] = migrations.filter(({ version }) => version === 16)
    assert.lengthOf(lockFaults(resending?.sql ?? ""), 5)
  })
})

describe("the rules for locks of migrations", () => {
  it.each([
    ["an index", "create index a on grants (id)"],
    ["a unique index", "create unique index a\n  on grants (id) where id is not null"],
    [
      "an index that is built beside calls, with something else",
      "create index concurrently if not exists a on grants (id); select 1"
    ],
    ["an index that can't be built twice", "create index concurrently a on grants (id)"],
    ["a check", "alter table grants add constraint c check (id > 0)"],
    [
      "a check behind a column",
      "alter table grants add column x integer default 1, add constraint c check (x > 0)"
    ],
    ["a foreign key", "alter table grants add constraint f foreign key (a) references agents (id)"],
    ["a unique constraint", "alter table grants add constraint u unique (id)"],
    ["a column with a check", "alter table grants add column x integer check (x > 0)"],
    ["a column that refers", "alter table grants add column a uuid references agents (id)"],
    ["a type", "alter table grants alter column id type bigint"],
    ["not null", "alter table only grants alter column id set not null"],
    [
      "a constraint that is validated at once",
      "alter table grants add constraint c check (id > 0) not valid; alter table grants validate constraint c"
    ],
    ["a lock", "LOCK TABLE grants"]
  ])("refuse %s", (_, sql) => assert.isNotEmpty(lockFaults(sql)))

  it.each([
    ["an index that is built beside calls", "create index concurrently if not exists a on grants (id)"],
    ["an index of a new table", "create table t (id integer); create index a on t (id)"],
    [
      "a constraint of a new table",
      "create unlogged table t (id integer); alter table t add constraint c check (id > 0)"
    ],
    ["a check that is validated later", "alter table grants add constraint c check (id > 0) not valid"],
    ["a validation", "alter table grants validate constraint c"],
    ["a column with a default", "alter table grants add column x boolean not null default false"],
    [
      "what only a comment or a function says",
      "-- create index a on grants (id);\nselect $f$ lock table grants; $f$, ';'"
    ]
  ])("let %s pass", (_, sql) => assert.deepStrictEqual(lockFaults(sql), []))
})
