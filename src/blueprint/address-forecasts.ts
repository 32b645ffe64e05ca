/**
 * Forecasts for declared environments: of a template before it is deployed as of a running server.
 *
 * Pure: reads resources, holds no address. Without a subnet among the resources there is none.
 *
 * @article ASE subnet size
 */
import type { Resource } from "../arm/resources.ts";
import { forecastAddresses, type Forecast } from "../environment/address-forecast.ts";
import { sizeOf, type Cidr } from "../network/prefix.ts";
import { Declared } from "./wanted.ts";

export type EnvironmentForecast = Forecast & {
  /** Id of the environment. */
  readonly environment: string;
  readonly subnet: { readonly id: string; readonly prefix: Cidr };
};

export function forecastsOf(resources: readonly Resource[]): readonly EnvironmentForecast[] {
  const declared = new Declared(resources);
  const plans = declared.all("Microsoft.Web/serverfarms");
  return declared.all("Microsoft.Web/hostingEnvironments").flatMap((environment) => {
    const { id, key, kind, frontEndScaleFactor, subnet } = environment;
    const stands = declared.find("Microsoft.Network/virtualNetworks/subnets", subnet.key);
    if (stands === undefined) return [];
    const instances = plans
      .filter((plan) => plan.environment.key === key)
      .reduce((sum, { capacity }) => sum + capacity, 0);
    const forecast = forecastAddresses(
      { kind, instances, frontEndScaleFactor },
      sizeOf(stands.prefix),
    );
    const { prefix } = stands;
    return [{ ...forecast, environment: id, subnet: { id: stands.id, prefix } }];
  });
}
