import { execFileSync } from "node:child_process"
import { readFileSync, readlinkSync, statSync } from "node:fs"

/**
 * A process as it can be told from a later one with the same number: `born` differs between the two.
 * Opaque, free of spaces and slashes; comparable on one machine.
 */
export interface Identity {
  readonly pid: number
  readonly born: string
}

const linux = process.platform === "linux"

/** Asks `ps` where there is no /proc. In the C locale, whose dates can be read back. */
const ps = (pid: number, column: string): string | undefined => {
  try {
    const env = { PATH: process.env.PATH ?? "/usr/bin:/bin", LC_ALL: "C" }
    const text = execFileSync("ps", ["-o", `${column}=`, "-p", String(pid)], { encoding: "utf8", env }).trim()
    return text === "" ? undefined : text
  } catch {
    return undefined
  }
}

// Ticks count from the start of the system, so they alone could match after it was started anew.
const boot = ((): string => {
  try {
    return linux ? readFileSync("/proc/sys/kernel/random/boot_id", "utf8").slice(0, 8) : ""
  } catch {
    return ""
  }
})()

/** When the process came to be, or undefined where there is none by this number (or only its corpse). */
export const bornOf = (pid: number): string | undefined => {
  if (!exists(pid)) return undefined
  if (linux) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
      // The name in parentheses may hold anything, parentheses and spaces too.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
      return fields[0] === "Z" ? undefined : `${fields[19]}-${boot}`
    } catch {
      return undefined
    }
  }
  if (process.platform === "win32") return "unknown"
  const started = ps(pid, "lstart")
  return started === undefined ? undefined : String(Date.parse(started))
}

export const identify = (pid: number): Identity | undefined => {
  const born = bornOf(pid)
  return born === undefined ? undefined : { pid, born }
}

export const isAlive = ({ pid, born }: Identity): boolean => bornOf(pid) === born

/** Whether the number is taken at all: cheap enough to ask every second. */
export const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

/**
 * Whether `pid` is the PostgreSQL server of the cluster in `folder`, run by `uid`. Asked before a number
 * that was read from a file is sent a signal: that file may be old, or another account's work.
 */
export const servesCluster = (pid: number, folder: string, uid: number | undefined): boolean => {
  try {
    if (linux) return statSync(`/proc/${pid}`).uid === uid && readlinkSync(`/proc/${pid}/cwd`) === folder
    if (process.platform === "win32") return exists(pid)
    return Number(ps(pid, "uid")) === uid && (ps(pid, "command") ?? "").includes(`-D ${folder} `)
  } catch {
    return false
  }
}
