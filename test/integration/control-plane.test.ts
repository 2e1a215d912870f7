import { expect, test } from "vitest";
import { describeWithControlPlane } from "./control-plane.ts";

await describeWithControlPlane("a control plane of our own", { controllers: true }, (plane) => {
  test("takes the administrator by client certificate", async () => {
    const { stdout } = await plane().kubectl(["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"]);
    expect(stdout).toBe("admin");
  });

  test("enforces RBAC on everybody else", async () => {
    const stranger = await plane().kubeconfigFor("stranger");
    const result = await plane().kubectl(["--kubeconfig", stranger, "get", "pods"]);
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining("Forbidden") as string });
  });

  test("ends the deletion of a namespace", async () => {
    await plane().kubectl(["create", "namespace", "short-lived"]);
    const { code } = await plane().kubectl(["delete", "namespace", "short-lived", "--timeout=60s"]);
    expect(code).toBe(0);
  });
});
