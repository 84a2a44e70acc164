-- Health of Consortium, QuorumNode, TesseraNode and HsmSigner for Argo CD: the same words for all four kinds.
-- It follows kstatus, by which Flux and Helm wait, so that the tools agree; a suspended resource is Suspended besides.
local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready = conditions["Ready"]

local function health(word, condition, otherwise)
  local message = otherwise
  if condition ~= nil and condition.message ~= nil and condition.message ~= "" then
    message = condition.reason .. ": " .. condition.message
  end
  return { status = word, message = message }
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", nil, "It is being deleted")
end
if obj.spec ~= nil and obj.spec.suspend == true then
  return health("Suspended", nil, "spec.suspend is true: nothing is looked at or changed")
end
if status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", ready, "The operator has not seen this generation yet")
end
if conditions["Stalled"] ~= nil and conditions["Stalled"].status == "True" then
  return health("Degraded", conditions["Stalled"], "Stalled")
end
if conditions["Reconciling"] ~= nil and conditions["Reconciling"].status == "True" then
  return health("Progressing", ready, "Reconciling")
end
if ready ~= nil and ready.status == "True" then
  return health("Healthy", ready, "Ready")
end
return health("Progressing", ready, "It has no condition Ready yet")
