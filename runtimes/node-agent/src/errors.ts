/** Every error code of this package, with what it means. */
export const nodeAgentErrors = {
  KUBELET_UNREACHABLE: "The kubelet's PodResources socket does not answer: the kubelet is down, or the hostPath is not mounted.",
  KUBELET_REPLY_INVALID: "The kubelet answered something that is not a PodResources message.",
  KEY_SET_UNREADABLE: "The API server does not hand out its signing keys: callers cannot be verified yet.",
} as const;

export type NodeAgentErrorCode = keyof typeof nodeAgentErrors;
