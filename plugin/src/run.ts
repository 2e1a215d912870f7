import type { Request } from "./command-line/parse.ts";
import { adopt } from "./commands/adopt/run.ts";
import type { Outcome, World } from "./commands/command.ts";
import { halt } from "./commands/halt/run.ts";
import { orders } from "./commands/orders/run.ts";
import { resetBreaker } from "./commands/reset-breaker/run.ts";
import { resume } from "./commands/resume/run.ts";
import { status } from "./commands/status/run.ts";
import { why } from "./commands/why/run.ts";

/** Does what the command line asks for. @throws PluginError */
export function run(request: Request, world: World): Promise<Outcome> {
  switch (request.command) {
    case "status":
      return status(request, world);
    case "halt":
    case "reduce":
      return halt(request, world);
    case "resume":
      return resume(request, world);
    case "reset-breaker":
      return resetBreaker(request, world);
    case "adopt":
      return adopt(request, world);
    case "orders":
      return orders(request, world);
    case "why":
      return why(request, world);
  }
}
