import { Cron } from "croner";
import type { ScheduleConfig } from "../config.ts";

/**
 * Whether a decision is due at `time`, `previous` being the time looked at before; both are market times at which bars closed.
 * A function of the two alone, so that a restarted agent and a backtest decide at the same times.
 */
export type Trigger = (previous: number, time: number) => boolean;

/**
 * The trigger of a schedule. Market time moves from close to close: an interval or cron time between two closes is due at the
 * later one, and one shorter than a bar at every bar.
 */
export function triggerOf(schedule: ScheduleConfig): Trigger {
  switch (schedule.kind) {
    case "onBar":
      return () => true;
    case "every": {
      const { everyMs } = schedule;
      return (previous, time) => Math.floor(time / everyMs) > Math.floor(previous / everyMs);
    }
    case "cron": {
      const cron = new Cron(schedule.cron, { timezone: schedule.timeZone, paused: true });
      return (previous, time) => {
        const next = cron.nextRun(new Date(previous));
        return next !== null && next.getTime() <= time;
      };
    }
  }
}
