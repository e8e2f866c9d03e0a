import { html } from "./html.ts"
import type { Phrases } from "./words.ts"

const counted = (n: number, one: string, many: string): string => `${n} ${n === 1 ? one : many}`

/** A wait in words, rounded up. */
const wait = (seconds: number): string =>
  seconds < 60
    ? counted(Math.max(1, Math.ceil(seconds)), "second", "seconds")
    : counted(Math.ceil(seconds / 60), "minute", "minutes")

const newLogin = html`Start the login anew from your program. In Codex: <code>codex mcp login tasker</code>`
const newCode = "Make a new code in Tasker: “Connect an agent”."

export const english: Phrases = {
  own: "English",
  product: "NODE.DC Tasker",
  skipError: "Error",
  step: (step, of) => `Step ${step} of ${of}`,
  nameless: "A program without a name",
  marks: {
    stripped: "Hidden characters were taken out of this name.",
    cut: "This name is cut: it was longer.",
    mixed_scripts: "Careful: this name mixes letters of several alphabets. It is shown as it was sent.",
    lookalike:
      "Careful: this name has letters that look like Latin ones and are not. It is shown as it was sent."
  },
  code: {
    title: "Enter the code from Tasker",
    lead: (name) => html`${name} asks to work on your boards.`,
    how: "Choose “Connect an agent” in Tasker. It shows a code that is good for ten minutes.",
    label: "Code",
    hint: "Twelve letters, such as BCDF-GHJK-LMNP. Capitals and dashes do not matter.",
    caution:
      "Go on only if you started this login yourself, just now. No support staff will ever ask you for the code.",
    next: "Continue",
    cancel: "Cancel",
    errors: {
      empty: "Type the code that Tasker shows.",
      malformed:
        "This is not a whole code. A code has twelve letters, with no vowels and no digits. Compare it with the one in Tasker.",
      unknown:
        "There is no such code. Compare it with the one in Tasker letter by letter, or make a new one there.",
      used: "This code was used already: a code is good once. Make a new one in Tasker. If it was not you who used it, disconnect there what it connected.",
      expired: "This code has run out: a code is good for ten minutes. Make a new one in Tasker.",
      cancelled: "This code was cancelled. Make a new one in Tasker.",
      locked: "This code is locked after five failed tries. Make a new one in Tasker.",
      agent_disabled:
        "The agent of this code is switched off. Switch it on in Tasker, then type the code again."
    },
    limit: (seconds) =>
      seconds === undefined
        ? "Too many wrong codes were tried. Wait a few minutes, then try again."
        : `Too many wrong codes were tried. Wait ${wait(seconds)}, then try again.`
  },
  consent: {
    title: "Allow access to your boards?",
    heading: (name) => html`Let ${name} work on your boards?`,
    nothingTicked: "Nothing is ticked. Tick at least one thing that it may do, or deny.",
    who: "Who asks",
    program: "Program",
    ownWord: "By its own word: nobody has checked this name.",
    vouched: (host) => html`Vouched for by ${host}`,
    answerTo: "Answer goes to",
    thisComputer: "the computer of this browser",
    elsewhere: "Careful: this is another computer. Allow only if you know why.",
    punycode: "Careful: this name is written in letters of another alphabet; you see its technical form.",
    from: "Asked from",
    thisBrowser: "the address of this browser",
    sameAddress: "the same address as this browser’s",
    otherAddress: (browser) =>
      html`Careful: this browser is at ${browser}. Right if the program runs on another computer of yours; otherwise deny.`,
    whom: "For whom",
    owner: "Owner",
    agent: "Agent",
    where: "Where",
    onlyHere: (what) => `Here only: ${what.join(", ")}`,
    more: (projects) => `and ${counted(projects, "more project", "more projects")}`,
    ends: (when) => html`Until ${when}`,
    endsWhy:
      "Access to each project ends by itself at the time shown, because this gateway can't see if you are removed from a project.",
    daily: (writes) => `At most ${counted(writes, "change", "changes")} a day`,
    what: "What it may do",
    tickHint: "Untick what you do not want to give.",
    reads: "Look",
    writes: "Change",
    scopes: {
      "project:read": "See a project’s name, states, labels and members",
      "issue:read": "Read cards and their comments",
      "issue:create": "Create cards",
      "issue:update": "Change a card’s title, description, priority, dates and parent card",
      "issue:move": "Move cards from state to state",
      "comment:create": "Add comments to cards",
      "label:set": "Set the labels of cards",
      "assignee:set": "Set who cards are assigned to"
    },
    shortScopes: {
      "project:read": "see the project",
      "issue:read": "read cards",
      "issue:create": "create cards",
      "issue:update": "change cards",
      "issue:move": "move cards",
      "comment:create": "comment",
      "label:set": "set labels",
      "assignee:set": "set assignees"
    },
    neverTitle: "What it can never do",
    never: [
      "Delete anything",
      "See or change any other project",
      "Do what you may not do yourself in Tasker",
      "Give rights to itself or to others",
      "Work unseen: all that it changes is in your agent’s log"
    ],
    untilTitle: "For how long",
    until: (days) =>
      `Until you disconnect it in Tasker, which works at once. Unused for ${counted(days, "day", "days")}, it ends by itself.`,
    allow: "Allow",
    deny: "Deny",
    minutesLeft: (minutes) =>
      minutes <= 1
        ? "This page is good for one more minute."
        : `This page is good for ${minutes} more minutes.`,
    elsewhereTitle: "Does the program run on another computer?",
    elsewhereText:
      "Then this browser can’t reach it. Allow here instead, and you are shown an address to paste into its terminal.",
    paste: "Allow and show the address"
  },
  done: {
    title: "Allowed. One step is left",
    lead: (name) =>
      html`Copy the whole address below and paste it into the terminal in which ${name} waits for it.`,
    label: "Address to paste",
    hint: "Good once, and for one minute. Select all of it: Ctrl+A, or ⌘A on a Mac.",
    secret: "Paste it nowhere else and send it to nobody: whoever has it can log in instead of you.",
    hereInstead: "On this computer after all? Continue here",
    afterwards: "Once it is pasted, you can close this page."
  },
  failure: {
    next: "What to do",
    again: "Try again",
    wait: (seconds) => `Wait ${wait(seconds)}, then try again.`,
    asked: "It asked for",
    requestId: "Request",
    kinds: {
      client_unknown: {
        title: "This program is not known here",
        what: "The program that sent you here has not registered, its registration was cleared away because it was not used, or this server does not take the word of the website that vouches for it.",
        steps: [
          newLogin,
          html`If this page comes again, tell whoever runs this server: the program’s website may have to be named in <code>OAUTH_CIMD_HOSTS</code>.`
        ]
      },
      client_unreadable: {
        title: "This program can’t be checked just now",
        what: "The document in which the program describes itself could not be read from its maker’s server. Without it nothing is given.",
        steps: [
          "Wait a minute, then try again.",
          html`If it stays so, let the program register by itself. In Codex: <code>codex mcp login tasker --oauth-client-registration dcr</code>`
        ]
      },
      redirect_refused: {
        title: "The answer would go to a wrong address",
        what: "This request wants its answer sent where the program never said it would listen, or to a computer that this server’s operator has not named. Nothing was given.",
        steps: ["If somebody sent you the link that led here, close this page: it may be a trap.", newLogin]
      },
      request_malformed: {
        title: "This request can’t be read",
        what: "Something is missing in the address that led here, or is in it twice. Perhaps it was cut when it was copied.",
        steps: ["If you copied the address, copy all of it: it may run over several lines.", newLogin]
      },
      form_foreign: {
        title: "This answer did not come from our page",
        what: "The form was sent from another page or another browser, or lay open too long. Nothing was given.",
        steps: ["If you did not press anything yourself, close this page.", newLogin]
      },
      cookie_missing: {
        title: "Your browser kept no cookie",
        what: "One cookie ties both steps together, for some minutes only. Your browser did not send it back.",
        steps: ["Allow cookies for this site. A private window is fine.", newLogin]
      },
      consent_expired: {
        title: "This page is not good any more",
        what: "It was answered already, or too late. No more was given than you allowed before.",
        steps: ["If your program says that it is connected, you are done: close this page.", newLogin]
      },
      code_used: {
        title: "The code was used meanwhile",
        what: "A code is good once, and somebody has used this one. Nothing was given here.",
        steps: [
          "If it was not you, disconnect in Tasker what the code connected: the list of codes shows what that is.",
          newCode,
          newLogin
        ]
      },
      code_expired: {
        title: "The code has run out",
        what: "A code is good for ten minutes, and they are over. Nothing was given.",
        steps: [newCode, newLogin]
      },
      code_cancelled: {
        title: "The code was cancelled",
        what: "It was cancelled in Tasker meanwhile. Nothing was given.",
        steps: ["If it was not you, ask who else may see your agents.", newCode, newLogin]
      },
      code_locked: {
        title: "The code is locked",
        what: "Five tries with it failed, so it is good for nothing any more. Nothing was given.",
        steps: [newCode, newLogin]
      },
      agent_disabled: {
        title: "This agent is switched off",
        what: "You or a rule of the server has switched it off, so it can’t be connected. Nothing was given.",
        steps: [
          "Look in Tasker why it is off, and switch it on.",
          "Try again: the code stays good for its ten minutes."
        ]
      },
      nothing_granted: {
        title: "There is nothing to allow yet",
        what: "The agent of this code has no project in which it may do what the program asks for.",
        steps: ["Give the agent a project in Tasker, with the rights that it is to have.", newLogin]
      },
      too_many: {
        title: "Too many tries",
        what: "Too much was asked from your address, or by everybody together, so the server takes a pause. A code that you have stays good for its ten minutes.",
        steps: ["Wait a few minutes, then try again."]
      },
      unavailable: {
        title: "The server can’t answer just now",
        what: "It can’t reach its database, or is being restarted. Your answer may not have been saved.",
        steps: ["Wait a minute, then try again. If your code is refused, ask for a new one."]
      },
      internal: {
        title: "Something broke on our side",
        what: "That is a fault of the server, not yours. It is in its log under the number below.",
        steps: ["Try again.", "If it stays so, give the number below to the server’s operator."]
      }
    }
  }
}
