/** The simulated fabric keeps the promises of fabrics. */
import { openSimulatedFabric } from "../../src/fabric/simulated/simulated-fabric.ts";
import { describeFabric } from "./fabric.conformance.ts";

describeFabric("the simulated fabric", async () => {
  const { fabric } = openSimulatedFabric(() => 0);
  return { fabric, close: fabric.end };
});
