/**
 * Where management traffic comes from: published management addresses of the public cloud that
 * stand in every edition of the list (2019 and 2022) and in the tag AppServiceManagement today.
 * A network made from any of these sources lets them through; a list that drifted further does not.
 *
 * @article ASE inbound dependencies
 */
import type { Ipv4 } from "../network/prefix.ts";

export const MANAGEMENT_ADDRESSES = [
  "13.75.127.117",
  "13.94.141.115",
  "13.94.143.126",
  "13.94.149.179",
  "23.102.188.65",
  "40.83.120.64",
  "40.83.121.56",
  "40.83.125.161",
  "52.151.25.45",
  "52.165.152.214",
  "52.165.153.122",
  "52.165.154.193",
  "52.165.158.140",
  "52.174.22.21",
  "52.178.177.147",
  "52.178.184.149",
  "52.178.190.65",
  "52.178.195.197",
  "52.187.56.50",
  "52.187.59.251",
  "52.187.63.19",
  "52.187.63.37",
  "52.224.105.172",
  "52.225.177.153",
  "65.52.172.237",
  "70.37.57.58",
  "104.44.129.141",
  "104.44.129.243",
  "104.44.129.255",
  "104.44.134.255",
  "157.55.208.185",
  "191.236.154.88",
] as unknown as readonly Ipv4[];
