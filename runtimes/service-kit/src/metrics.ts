import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";

/** Buckets for latencies in seconds: 1 ms to 10 s. */
export const latencyBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

interface MetricOptions<Label extends string> {
  readonly help: string;
  readonly labels?: readonly Label[];
  readonly buckets?: readonly number[];
}

/** One registry a process; nothing is registered globally. */
export class Metrics {
  readonly registry = new Registry();

  /** Adds the process' own figures (CPU, memory, event loop, file descriptors). */
  collectProcess(): this {
    collectDefaultMetrics({ register: this.registry });
    return this;
  }

  counter<Label extends string = never>(name: string, options: MetricOptions<Label>): Counter<Label> {
    return new Counter({ name, help: options.help, labelNames: [...(options.labels ?? [])], registers: [this.registry] });
  }

  gauge<Label extends string = never>(name: string, options: MetricOptions<Label>): Gauge<Label> {
    return new Gauge({ name, help: options.help, labelNames: [...(options.labels ?? [])], registers: [this.registry] });
  }

  histogram<Label extends string = never>(name: string, options: MetricOptions<Label>): Histogram<Label> {
    const buckets = [...(options.buckets ?? latencyBuckets)];
    return new Histogram({
      name,
      help: options.help,
      labelNames: [...(options.labels ?? [])],
      buckets,
      registers: [this.registry],
    });
  }
}
