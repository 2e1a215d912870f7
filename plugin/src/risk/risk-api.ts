import type {
  AdoptRequest,
  ControlReply,
  HaltRequest,
  IntentReply,
  OrdersReply,
  PortfolioView,
  ResetBreakerRequest,
  ResumeRequest,
} from "@bellwether/trading/wire";

/** What risk is asked. Every method throws PluginError: RISK_UNREACHABLE, RISK_REFUSED, FORBIDDEN, …_NOT_FOUND, CHANGED_MEANWHILE. */
export interface RiskApi {
  portfolio(): Promise<PortfolioView>;
  halt(request: HaltRequest): Promise<ControlReply>;
  resume(request: ResumeRequest): Promise<ControlReply>;
  resetBreaker(request: ResetBreakerRequest): Promise<ControlReply>;
  adopt(request: AdoptRequest): Promise<ControlReply>;
  orders(query: {
    readonly strategy: string | undefined;
    readonly openOnly: boolean;
    readonly limit: number;
  }): Promise<OrdersReply>;
  intent(id: string): Promise<IntentReply>;
  close(): Promise<void>;
}

/** Opens the way to a policy's risk. @throws PluginError RISK_UNREACHABLE, FORBIDDEN */
export type OpenRisk = (policy: string) => Promise<RiskApi>;
