/** Versions of everything that is built or installed. Their hash names the cache directory, so a changed version never meets an old binary. */
export const versions = {
  /** 1.34, not 1.35: on a machine with cgroup v1 only, the kubelet refuses to start from 1.35 on unless told otherwise. */
  kubernetes: "1.34.4",
  coredns: "1.15.0",
  helm: "4.3.1",
  kubeconform: "0.8.0",
  ollama: "0.6.5",
  node: "24.21.0",
  postgres: "17",
} as const;

/**
 * Programs that only tests run. Their versions stand in the names of their files instead of the name of the directory: a new one has nothing else built anew.
 */
export const testedWith = {
  versitygw: "1.8.0",
} as const;
