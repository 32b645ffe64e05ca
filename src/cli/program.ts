/**
 * The words of `ase`: commands, options, help; wrong words end with exit code 2.
 *
 * Reads words and calls commands/; nothing is done here.
 */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";

import { type Problem, ProblemError, type Result } from "../base/problem.ts";
import { type AppContent, parseAppContent, parseDuration, parsePort } from "./arguments.ts";
import {
  act,
  addresses,
  az,
  cancelOperation,
  capture,
  checkFiles,
  deployApp,
  diffNetworks,
  down,
  events,
  exec,
  explainPacket,
  flows,
  hosts,
  listApps,
  logs,
  operations,
  rest,
  routes,
  rules,
  status,
  trace,
  turnEndpoint,
  up,
} from "./commands.ts";
import type { Action } from "./commands/act.ts";
import type { AzOptions } from "./commands/az.ts";
import type { CaptureOptions } from "./commands/capture.ts";
import type { CheckOptions } from "./commands/check.ts";
import type { DiffOptions } from "./commands/diff.ts";
import type { UpOptions } from "./commands/up.ts";
import { EXIT, exitCodeOf, type ExitCode } from "./refusals.ts";
import type { Ending, Session } from "./session.ts";
import type { OutputFormat } from "./table.ts";

/** Runs one command line. Everything that is to be said was said when this resolves. */
export async function runProgram(words: readonly string[], session: Session): Promise<ExitCode> {
  const endings: Result<ExitCode>[] = [];
  const program = buildProgram(session, async (work) => void endings.push(await work));
  try {
    await program.parseAsync([...words], { from: "user" });
  } catch (thrown) {
    // A question of the law that is too large is declined from deep inside.
    if (thrown instanceof ProblemError) {
      session.terminal.complain(thrown.problem);
      return exitCodeOf(thrown.problem);
    }
    if (!(thrown instanceof CommanderError)) throw thrown;
    // `commander.help`: help that stands in for a command that is missing.
    if (thrown.code === "commander.help") return EXIT.wrongUse;
    if (thrown.exitCode === 0) return EXIT.done;
    session.terminal.complain(wrongUse(thrown, words));
    return EXIT.wrongUse;
  }
  const [ending] = endings;
  if (ending === undefined) return EXIT.done;
  if (ending.ok) return ending.value;
  session.terminal.complain(ending.problem);
  return exitCodeOf(ending.problem);
}

function wrongUse(error: CommanderError, words: readonly string[]): Problem {
  const [first = "", ...more] = error.message.replace(/^error: /, "").split("\n");
  const isKnown = error.code !== "commander.unknownCommand" && /^[a-z]/.test(words[0] ?? "");
  const command = isKnown ? `ase ${words[0]} --help` : "ase --help";
  const meant = more.join(" ").trim();
  const what = first.replace(/\.$/, "");
  return {
    code: "WrongUse",
    what,
    fix: `${meant === "" ? "" : `${meant.replace(/^\((.*)\)$/, "$1")} `}Run \`${command}\`.`,
  };
}

type End = (work: Ending) => Promise<void>;

function buildProgram(session: Session, end: End): Command {
  const { terminal } = session;
  const program = new Command("ase")
    .description(
      "A self-hosted App Service Environment: apps in a virtual network its owner controls.",
    )
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.pass("stdout", text),
      writeErr: (text) => terminal.pass("stderr", text),
      // Printed by runProgram, with what to do.
      outputError: () => undefined,
    })
    .helpCommand("help [command]", "show the help of a command")
    .addHelpText(
      "after",
      examples(
        ["ase up", "bring up the sample: network, environment, plan, app"],
        ["ase up --template azuredeploy.json --app shop=./shop", "bring up your own"],
        [
          "ase exec --at internet -- curl -s http://hello.demo.p.azurewebsites.net/",
          "ask as a client outside would",
        ],
        ["ase down", "take everything down; nothing stays behind"],
      ) +
        "\nExit codes: 0 done, 1 not as wanted, 2 wrong use or input.\nHome: $ASE_HOME, else /var/lib/ase as root, else ~/.local/state/ase.",
    );
  addUp(program, session, end);
  addLooking(program, session, end);
  addApp(program, session, end);
  addActing(program, session, end);
  addClients(program, session, end);
  addChecking(program, session, end);
  return program;
}

/** Commands that need no server. */
function addChecking(program: Command, session: Session, end: End): void {
  withInputs(program.command("check"))
    .description("prove, before anything is deployed, whether a network lets its environment live")
    .argument("[files...]", "templates, JSON of az, Terraform plans, folders; - for stdin")
    .option("--trace", "with --server: send the packet of every flow that is stopped for real")
    .option("--instances <count>", "plan instances there shall be one day", word(parseCount))
    .addOption(
      new Option("-o, --output <format>", "how to report")
        .choices(["text", "json", "sarif", "junit", "markdown"])
        .default("text"),
    )
    .addOption(
      new Option("--fail-on <line>", "what counts as failure, and all that is worse")
        .choices(["hard", "degraded", "app", "default-rule"])
        .default("hard"),
    )
    .addOption(
      new Option("--fix <language>", "language of repairs in text")
        .choices(["az", "arm", "terraform", "all", "none"])
        .default("az"),
    )
    .addHelpText(
      "after",
      examples(
        [
          "ase check azuredeploy.json --parameters azuredeploy.parameters.json",
          "a template with its parameters",
        ],
        ["az network vnet show -g net -n prod > vnet.json", "then the group and the table, and:"],
        ["ase check vnet.json nsg.json routes.json --subnet ase", "a network that exists"],
        ["ase check plan.json -o sarif > check.sarif", "annotations of a pull request"],
      ) + "\nExit codes: 0 it lives, 1 it does not, 2 wrong use or input.",
    )
    .action((files: readonly string[], options: CheckOptions) =>
      end(checkFiles(session, files, options)),
    );
  withInputs(program.command("diff"))
    .description("flows gained and lost between two states of a network, over all packets")
    .argument("<old>", "a file or folder, as for check; with --server alone: the change")
    .argument("[new]", "the same after the change")
    .addOption(proseOption())
    .addHelpText(
      "after",
      examples(
        ["ase diff nsg-before/ nsg-after/", "two folders with the files of each state"],
        [
          "ase diff --server new.json --resource-group demo",
          "rehearse a change: which flows of the flow logs it would cut (exit code 1)",
        ],
      ) + "\nExit codes: 0 nothing changes, 1 something does, 2 wrong use or input.",
    )
    .action((old: string, now: string | undefined, options: DiffOptions) =>
      end(diffNetworks(session, [old, now], options)),
    );
  withInputs(program.command("explain"))
    .description("walk one packet and name the rule or route that decides each step")
    .argument("<packet>", '"tcp FROM -> TO:PORT"; also udp, icmp, esp, ah')
    .argument("[files...]", "as for check")
    .addOption(proseOption())
    .addHelpText(
      "after",
      examples(
        ['ase explain "tcp 10.0.0.5 -> 10.0.1.4:443" azuredeploy.json', "addresses"],
        [
          'ase explain "tcp internet -> vip:443" azuredeploy.json',
          "names: internet, management, load-balancer, vip, ilb, environment, subnets",
        ],
      ) + "\nExit codes: 0 it passes, 1 it is stopped, 2 wrong use or input.",
    )
    .action((packet: string, files: readonly string[], options: DiffOptions) =>
      end(explainPacket(session, packet, files, options)),
    );
}

function proseOption(): Option {
  return new Option("-o, --output <format>", "how to print")
    .choices(["text", "json"])
    .default("text");
}

function withInputs(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--parameters <word>",
        "parameters of templates: a file, or NAME=VALUE; may repeat",
      )
        .argParser((text: string, before: readonly string[]) => [...before, text])
        .default([], "none"),
    )
    .option("--environment <name>", "only this environment (default: all)")
    .option("--subnet <name>", "where it stands: name, network/name, or a prefix")
    .addOption(
      new Option(
        "--mode <mode>",
        "internal load balancer of an environment that is not declared",
      ).choices(["None", "Web", "Publishing", "Web, Publishing"]),
    )
    .option("--resource-group <name>", "group that templates are deployed to")
    .option("--tags <file>", "service tags as published weekly (default: the product's copy)")
    .option("--server", "check what the running server has");
}

function addUp(program: Command, session: Session, end: End): void {
  program
    .command("up")
    .description(
      "start the server, deploy a template, wait until the environment is healthy and its apps answer",
    )
    .option("--template <file>", "ARM template (default: the sample, examples/external)")
    .option("--parameters <file>", "its parameters file")
    .option("--resource-group <name>", "resource group to deploy to", "demo")
    .addOption(
      new Option("--app <name=folder>", "content of an app: a folder or a zip; may be repeated")
        .argParser((text: string, before: readonly AppContent[]) => [
          ...before,
          word(parseAppContent)(text),
        ])
        .default([], "none"),
    )
    .option("--api-port <port>", "port of the ARM API on loopback (default: 9443)", word(parsePort))
    .option(
      "--http-port <port>",
      "port of the doorway for HTTP on loopback (default: 8080)",
      word(parsePort),
    )
    .option(
      "--https-port <port>",
      "port of the doorway for HTTPS on loopback (default: 8443)",
      word(parsePort),
    )
    .option(
      "--suspend-after <duration>",
      "suspend an environment that was unhealthy this long (default: 10m)",
      word(parseDuration),
    )
    .addOption(
      new Option(
        "--fabric <kind>",
        "linux: a real world; simulated: the API over a world in memory, without packets and programs",
      )
        .choices(["linux", "simulated"])
        .default("linux"),
    )
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples(
        ["ase up", "the sample"],
        [
          "ase up --template examples/internal/azuredeploy.json --app hello-inside=examples/hello-app",
          "an environment with an internal load balancer",
        ],
        ["ase up --suspend-after 30s", "see soon what an environment does when its network is cut"],
      ),
    )
    .action((options: UpOptions) => end(up(session, options)));
  program
    .command("down")
    .description("end the server and the world: no process, namespace, mount or rule stays")
    .option("--purge", "forget what was declared and deployed, too", false)
    .addHelpText(
      "after",
      examples(
        ["ase down", "the next `ase up` brings up what was declared"],
        ["ase down --purge", "the next `ase up` begins with nothing"],
      ),
    )
    .action((options: { purge: boolean }) => end(down(session, options)));
}

function addLooking(program: Command, session: Session, end: End): void {
  const listing = (
    name: string,
    description: string,
    show: (session: Session, options: { readonly output: OutputFormat }) => Ending,
    ...lines: readonly Example[]
  ) =>
    program
      .command(name)
      .description(description)
      .addOption(outputOption())
      .addHelpText("after", examples(...lines))
      .action((options: { output: OutputFormat }) => end(show(session, options)));
  listing(
    "status",
    "environments and their health; exit code 1 when one is not healthy",
    status,
    ["ase status", "names the flow that fails and the rule or route that stops it"],
    ["ase status -o json", "as the API tells it"],
  );
  listing(
    "addresses",
    "addresses of each environment, and who holds which address of its subnet since when",
    addresses,
    ["ase addresses", "public, outbound and load balancer addresses, then the ledger"],
    ["ase addresses --forecast", "how far each subnet reaches, at rest and while scaling"],
    ["ase addresses --history", "addresses that were taken and given back, newest first"],
  )
    .addOption(
      new Option("--forecast", "how many instances the subnet has room for").default(false),
    )
    .addOption(new Option("--history", "what changed hands").default(false).conflicts("forecast"));
  listing("hosts", "hosts of the world, their addresses and programs", hosts, [
    "ase hosts",
    "names to stand at with `ase exec --at`",
  ]);
  const pending = listing(
    "operations",
    "operations in progress: under way and how far, or their place in the queue",
    operations,
    ["ase operations", "one scale operation runs at a time; what comes meanwhile is queued"],
    ["ase operations cancel ID", "give one up; what it asked for is taken back"],
  );
  pending
    .command("cancel")
    .description("give an operation up that waits, or whose new instances take no traffic yet")
    .argument("<id>", "the operation, as `ase operations` shows it")
    .action((id: string) => end(cancelOperation(session, id)));
  program
    .command("routes")
    .description("effective routes of a host: which of them counts, and who wrote it")
    .argument("<place>", "the name of a host, or vnet/NAME")
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples(
        ["ase routes demo-front-end-0", "routes of the environment's subnet"],
        ["ase routes vnet/demo-vnet -o json", "of those who stand in no subnet, with every prefix"],
      ),
    )
    .action((place: string, options: Parameters<typeof routes>[2]) =>
      end(routes(session, place, options)),
    );
  program
    .command("rules")
    .description("effective security rules of a host, of all groups that guard it")
    .argument("<host>", "the name of a host")
    .addOption(outputOption())
    .addHelpText("after", examples(["ase rules demo-front-end-0", "default rules included"]))
    .action((place: string, options: Parameters<typeof rules>[2]) =>
      end(rules(session, place, options)),
    );
  program
    .command("flows")
    .description("flows that the flow logs saw: how often, last when, by which rule")
    .option("-f, --follow", "show each line as it comes", false)
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples(
        ["ase flows", "summed up"],
        ["ase flows --follow", "began (B), went on (C), ended (E)"],
      ),
    )
    .action((options: Parameters<typeof flows>[1]) => end(flows(session, options)));
  program
    .command("trace")
    .description("send one packet for real, and show what each gate did beside what the law says")
    .argument("<packet>", '"tcp FROM -> TO:PORT", or udp')
    .addOption(proseOption())
    .addHelpText(
      "after",
      examples(
        ['ase trace "tcp internet -> vip:443"', "as a client outside"],
        [
          'ase trace "tcp demo-worker-0 -> 10.1.2.4:8000"',
          "from a host, an address, vnet/NAME, onprem, management, load-balancer",
        ],
      ) + "\nExit codes: 0 law and packet agree, 1 they differ, 2 wrong use or input.",
    )
    .action((packet: string, options: Parameters<typeof trace>[2]) =>
      end(trace(session, packet, options)),
    );
  program
    .command("events")
    .description("what happened, oldest first")
    .option("-f, --follow", "stay and show what happens", false)
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples(
        ["ase events", "why an environment became unhealthy, and when it healed"],
        ["ase events --follow -o json", "one JSON object per line"],
      ),
    )
    .action((options: Parameters<typeof events>[1]) => end(events(session, options)));
  program
    .command("logs")
    .description("what an app, a host, an environment's platform or everything wrote")
    .argument("[name]", "name of an app, an environment or a host")
    .option("-f, --follow", "stay and show what comes", false)
    .option("-n, --lines <count>", "how many lines, newest last", word(parseCount), 100)
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples(
        ["ase logs hello", "all instances of the app"],
        ["ase logs demo", "the platform's log of the environment: health, scaling, addresses"],
        ["ase logs demo-front-end-0 --follow", "one host; `ase hosts` lists the names"],
      ),
    )
    .action((about: string | undefined, options: Parameters<typeof logs>[2]) =>
      end(logs(session, about, options)),
    );
}

function addApp(program: Command, session: Session, end: End): void {
  const app = program.command("app").description("apps and their content");
  app
    .command("deploy")
    .description("deploy a folder or zip as the content of an app")
    .argument("<name>", "the app, as the template names it")
    .argument("<folder|zip>", "its files")
    .addHelpText(
      "after",
      examples(["ase app deploy hello examples/hello-app", "all instances get the new content"]),
    )
    .action((name: string, source: string) => end(deployApp(session, name, source)));
  app
    .command("list")
    .description("apps, their state and where they are reached")
    .addOption(outputOption())
    .action((options: Parameters<typeof listApps>[1]) => end(listApps(session, options)));
}

function addActing(program: Command, session: Session, end: End): void {
  program
    .command("exec")
    .description("run a command standing at a place of the world; ends with its exit code")
    .requiredOption("--at <place>", "internet, vnet/NAME, onprem/NAME, or the name of a host")
    .option("-i, --stdin", "send what comes on stdin to the command", false)
    .argument("<command...>", "the command, after --")
    .addHelpText(
      "after",
      examples(
        [
          "ase exec --at internet -- curl -s http://hello.demo.p.azurewebsites.net/",
          "as a client outside",
        ],
        [
          "ase exec --at vnet/demo-vnet -- curl -s http://10.1.1.4/",
          "as a machine in the VNet would ask a front end",
        ],
        ["ase exec --at demo-front-end-0 -- ip route", "as a host of the environment"],
      ),
    )
    .action((argv: readonly string[], options: Parameters<typeof exec>[1]) =>
      end(exec(session, options, argv)),
    );
  program
    .command("capture")
    .description("packets of a host as a pcap file, for Wireshark and tcpdump")
    .argument("<place>", "as for exec: the name of a host, vnet/NAME, internet")
    .requiredOption("-o, --output <file>", "the pcap file to write")
    .option("--seconds <count>", "how long, 300 at most", word(parseCount), 10)
    .option("--filter <words>", "which packets, as tcpdump takes it (default: all)")
    .addHelpText(
      "after",
      examples([
        "ase capture demo-front-end-0 -o front.pcap --seconds 5 --filter 'tcp port 80'",
        "10,000 packets at most, 1,600 bytes of each",
      ]),
    )
    .action((place: string, options: CaptureOptions) => end(capture(session, place, options)));
  const actions: readonly (readonly [Action, string])[] = [
    ["suspend", "suspend an environment: its apps stop answering"],
    ["resume", "resume a suspended environment; it comes back with new addresses"],
    ["reboot", "start every role of an environment anew"],
  ];
  for (const [action, description] of actions)
    program
      .command(action)
      .description(description)
      .argument("<name>", "the environment")
      .addHelpText("after", examples([`ase ${action} demo`, `then \`ase status\``]))
      .action((name: string) => end(act(session, action, name)));
  const endpoint = program
    .command("endpoint")
    .description("endpoints of the world's internet that environments depend on");
  for (const word of ["stop", "start"] as const)
    endpoint
      .command(word)
      .description(
        word === "stop" ? "end one, to see what follows" : "start one again that was ended",
      )
      .argument("<name>", "public-dns, time, revocation, updates, monitoring or database")
      .addHelpText(
        "after",
        examples([`ase endpoint ${word} database`, "`ase status` names what does not pass"]),
      )
      .action((name: string) => end(turnEndpoint(session, word, name)));
  program
    .command("rest")
    .description("call the ARM API as it is; operations are followed to their end")
    .addArgument(
      new Argument("<method>", "GET, PUT, PATCH, POST, DELETE or HEAD").argParser(
        word(parseMethod),
      ),
    )
    .argument("<path>", "path with api-version; {subscription} is filled in")
    .option("--body <file>", "JSON file to send")
    .addHelpText(
      "after",
      examples([
        "ase rest GET '/subscriptions/{subscription}/providers/Microsoft.Web/sites?api-version=2022-03-01'",
        "all apps",
      ]),
    )
    .action((method: string, path: string, { body }: { body?: string }) =>
      end(rest(session, method, path, body)),
    );
}

function addClients(program: Command, session: Session, end: End): void {
  program
    .command("az")
    .description("run Azure's own command line against this installation, signed in")
    .option("--sign-in", "sign in anew as the owner of this installation", false)
    .option("--print-env", "print the variables that az, SDKs and Terraform need", false)
    .argument("[words...]", "words of az")
    .passThroughOptions()
    .allowUnknownOption()
    .addHelpText(
      "after",
      examples(
        ["ase az group list -o table", "az, with a configuration of its own"],
        [
          "ase az login -u ada@example.org",
          "as somebody else; `ase az --sign-in account show` and it is the owner again",
        ],
        ['eval "$(ase az --print-env)"', "for SDKs and Terraform, see docs/azure-clients.md"],
      ),
    )
    .action((words: readonly string[], options: AzOptions) => end(az(session, words, options)));
}

function outputOption(): Option {
  return new Option("-o, --output <format>", "how to print")
    .choices(["table", "json"])
    .default("table");
}

type Example = readonly [command: string, meaning: string];

function examples(...lines: readonly Example[]): string {
  return `\nExamples:\n${lines.map(([command, meaning]) => `  ${command}\n      ${meaning}`).join("\n")}`;
}

/** A parser of ours as commander wants it. */
function word<Value>(parse: (text: string) => Result<Value>): (text: string) => Value {
  return (text) => {
    const parsed = parse(text);
    if (parsed.ok) return parsed.value;
    throw new InvalidArgumentError(`${parsed.problem.what}.\n${parsed.problem.fix}`);
  };
}

function parseCount(text: string): Result<number> {
  if (/^[1-9]\d{0,4}$/.test(text)) return { ok: true, value: Number(text) };
  return {
    ok: false,
    problem: {
      code: "InvalidCount",
      what: `"${text}" is not a count`,
      fix: "Write a number from 1 to 99999.",
    },
  };
}

function parseMethod(text: string): Result<string> {
  const method = text.toUpperCase();
  if (["GET", "PUT", "PATCH", "POST", "DELETE", "HEAD"].includes(method))
    return { ok: true, value: method };
  return {
    ok: false,
    problem: {
      code: "InvalidMethod",
      what: `"${text}" is not a method`,
      fix: "Write GET, PUT, PATCH, POST, DELETE or HEAD.",
    },
  };
}
