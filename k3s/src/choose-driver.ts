import type { Driver, DriverName } from "./drivers/driver.ts";
import { CurrentDriver } from "./drivers/current.ts";
import { K3sDriver } from "./drivers/k3s.ts";
import { KindDriver } from "./drivers/kind.ts";
import { SourceDriver } from "./drivers/source.ts";
import type { ClusterChoice } from "./options.ts";

/**
 * What `auto` means here. A cluster that is already up stays what it is; `current` and `k3s` change things that this tool did
 * not make, so they are taken only when named.
 */
export function chooseDriver(choice: ClusterChoice, facts: { recorded: DriverName | undefined; kindWorks: boolean }): DriverName {
  if (choice !== "auto") return choice;
  return facts.recorded ?? (facts.kindWorks ? "kind" : "source");
}

export function makeDriver(name: DriverName, options: { registry?: string | undefined }): Driver {
  switch (name) {
    case "source":
      return new SourceDriver();
    case "kind":
      return new KindDriver();
    case "k3s":
      return new K3sDriver();
    case "current":
      return new CurrentDriver(options);
  }
}
