import type { Alert } from "../wire/alerts.ts";

/** The body of a Slack incoming webhook; Mattermost, Rocket.Chat and Discord's `/slack` take the same. */
export interface SlackMessage {
  readonly text: string;
  readonly attachments: readonly {
    readonly color: string;
    readonly title: string;
    readonly text: string;
    /** Seconds. */
    readonly ts: number;
    readonly fields: readonly { readonly title: string; readonly value: string; readonly short: boolean }[];
    readonly footer: string;
  }[];
}

const colours: Readonly<Record<Alert["severity"], string>> = { critical: "#d40e0d", warning: "#d4a017", info: "#3a7bd5" };
const resolvedColour = "#2eb886";

/** A message about one alert. `footer` carries the id, so that a post that was repeated after a lost answer can be told from a second alert. */
export function slackMessage(alert: Alert): SlackMessage {
  const { state, severity, source, name, summary, value, threshold, time, id } = alert;
  const resolved = state === "resolved";
  const word = resolved ? "Resolved" : severity === "critical" ? "CRITICAL" : severity === "warning" ? "Warning" : "Info";
  const title = `${word}: ${name} (${source.kind} ${source.namespace}/${source.name})`;
  const figures = [
    ...(value === undefined ? [] : [{ title: "Value", value: escape(value), short: true }]),
    ...(threshold === undefined ? [] : [{ title: "Threshold", value: escape(threshold), short: true }]),
  ];
  return {
    text: escape(`${title}: ${summary}`),
    attachments: [
      {
        color: resolved ? resolvedColour : colours[severity],
        title: escape(title),
        text: escape(summary),
        ts: Math.floor(time / 1_000),
        fields: figures,
        footer: escape(id),
      },
    ],
  };
}

/** Slack's three control characters: a reason must not be able to call the whole channel (`<!channel>`) or to hide a link. */
function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
