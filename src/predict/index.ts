/**
 * Predicts, plans and reviews options without a socket, and so runs in a browser too.
 * @module tcp-keepalive/predict
 */
export { isKeepAliveError, type KeepAliveError, type KeepAliveErrorCode } from '../options/errors.ts';
export {
  type KeepAliveInput,
  type KeepAliveOptions,
  type KeepAliveSettings,
  type OptionName,
  optionNames,
  optionRanges,
} from '../options/options.ts';
export { parseKeepAliveOptions } from '../options/parse.ts';
export { type Preset, type PresetName, presets } from '../options/presets.ts';
export { type PathIdleLimit, type PathInput, type PathName, pathIdleLimits } from './paths.ts';
export { type KeepAliveGoal, type KeepAlivePlan, planKeepAlive } from './plan.ts';
export {
  type DataWindow,
  type Detection,
  type DetectionSystem,
  type DetectionWindow,
  predictDetection,
  type SurvivedOutages,
} from './predict.ts';
export { type Finding, type FindingCode, type ReviewContext, reviewKeepAlive } from './review.ts';
