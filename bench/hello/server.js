/** As little app as there can be: what is measured is the way to it. */
import { createServer } from "node:http";

createServer((_request, response) => response.end("Hello\n")).listen(
  Number(process.env.PORT ?? 8080),
  process.env.BENCH_ADDRESS,
);
