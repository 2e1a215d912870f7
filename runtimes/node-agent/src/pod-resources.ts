import { Client, credentials } from "@grpc/grpc-js";
import { CodedError, messageOf } from "@bellwether/service-kit";
import type { NodeAgentErrorCode } from "./errors.ts";
import { fieldsOf, integersAt, messagesAt, textAt } from "./protobuf.ts";

export interface PodAssignment {
  readonly namespace: string;
  readonly name: string;
  /** CPUs that a container has alone; empty for one that runs on the shared ones. */
  readonly containers: readonly { readonly name: string; readonly cpus: readonly number[] }[];
}

/** `service PodResourcesLister` of k8s.io/kubelet/pkg/apis/podresources/v1/api.proto. */
const methods = { list: "/v1.PodResourcesLister/List", allocatable: "/v1.PodResourcesLister/GetAllocatableResources" } as const;

/** Tens of pods with a handful of containers each are a few kB. */
const longestReplyBytes = 4 * 1024 * 1024;

/** The kubelet's own word on which CPUs it has given to whom (PodResources v1, gRPC on a unix socket). */
export class PodResources {
  readonly #client: Client;
  readonly #timeoutMs: number;

  constructor({ socket, timeoutMs }: { socket: string; timeoutMs: number }) {
    this.#client = new Client(`unix://${socket}`, credentials.createInsecure(), {
      "grpc.max_receive_message_length": longestReplyBytes,
      // The kubelet restarts in seconds; the default back-off of two minutes would leave the operator blind for as long.
      "grpc.initial_reconnect_backoff_ms": 200,
      "grpc.max_reconnect_backoff_ms": 2_000,
    });
    this.#timeoutMs = timeoutMs;
  }

  /** @throws CodedError KUBELET_UNREACHABLE, KUBELET_REPLY_INVALID */
  async assignments(): Promise<PodAssignment[]> {
    return this.#call(methods.list, (reply) => messagesAt(fieldsOf(reply), 1).map(podAssignment));
  }

  /**
   * The CPUs that may be given away exclusively: under the policy `static` all but the reserved ones, under `none` nothing at all. So one
   * call tells policy and pool, and no file of the kubelet has to be read.
   *
   * @throws CodedError KUBELET_UNREACHABLE, KUBELET_REPLY_INVALID
   */
  async exclusivePool(): Promise<number[]> {
    return this.#call(methods.allocatable, (reply) => integersAt(fieldsOf(reply), 2));
  }

  close(): void {
    this.#client.close();
  }

  #call<Reply>(method: string, read: (reply: Uint8Array) => Reply): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const deserialize = (bytes: Buffer): Reply => {
        try {
          return read(bytes);
        } catch (cause) {
          throw new CodedError<NodeAgentErrorCode>("KUBELET_REPLY_INVALID", `${method}: ${messageOf(cause)}`, { cause });
        }
      };
      const deadline = { deadline: performance.timeOrigin + performance.now() + this.#timeoutMs };
      this.#client.makeUnaryRequest(
        method,
        () => Buffer.alloc(0),
        deserialize,
        undefined,
        deadline,
        (error, reply) => {
          if (error)
            reject(new CodedError<NodeAgentErrorCode>("KUBELET_UNREACHABLE", `${method}: ${error.message}`, { cause: error }));
          else if (reply === undefined)
            reject(new CodedError<NodeAgentErrorCode>("KUBELET_REPLY_INVALID", `${method}: no answer`));
          else resolve(reply);
        },
      );
    });
  }
}

function podAssignment(message: Uint8Array): PodAssignment {
  const fields = fieldsOf(message);
  const containers = messagesAt(fields, 3).map((bytes) => {
    const container = fieldsOf(bytes);
    return { name: textAt(container, 1), cpus: integersAt(container, 3) };
  });
  return { name: textAt(fields, 1), namespace: textAt(fields, 2), containers };
}
