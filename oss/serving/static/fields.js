// The form: which fields differ from the plan, what stands in them, and which of them are at fault.
function named(form) {
  const groups = new Map();
  for (const field of form.elements) {
    if (!field.name) continue;
    if (!groups.has(field.name)) groups.set(field.name, []);
    groups.get(field.name).push(field);
  }
  return groups;
}

function differs(field) {
  if (field.type === "checkbox") return field.checked !== field.defaultChecked;
  if (field.tagName === "SELECT") return !field.selectedOptions[0]?.defaultSelected;
  return field.value.trim() !== field.defaultValue;
}

export function changesOf(form) {
  const changes = {};
  for (const [name, fields] of named(form)) {
    if (!fields.some(differs)) continue;
    const checks = fields[0].type === "checkbox";
    changes[name] = checks ? fields.filter((f) => f.checked).map((f) => f.value) : fields[0].value.trim();
  }
  return changes;
}

export function markChanges(form, word) {
  const counts = new Map();
  for (const [name, fields] of named(form)) {
    const changed = fields.some(differs);
    for (const field of fields) field.classList.toggle("changed", differs(field));
    const undo = document.getElementById(`undo-${name}`);
    if (undo) undo.hidden = !changed;
    const group = fields[0].closest(".group");
    counts.set(group, (counts.get(group) ?? 0) + (changed ? 1 : 0));
  }
  for (const [group, count] of counts) {
    if (group) group.querySelector(".count").textContent = count ? `${count} ${word}` : "";
  }
}

// Shows each fault at its field and opens the group it is in; returns the texts of those that have no field.
export function showFaults(form, faults) {
  for (const place of form.querySelectorAll(".fault")) {
    place.hidden = true;
    place.textContent = "";
  }
  for (const field of form.elements) field.removeAttribute("aria-invalid");
  const without = [];
  for (const { field, text, lang } of faults) {
    const place = field && document.getElementById(`fault-${field}`);
    if (!place) {
      without.push(text);
      continue;
    }
    if (!place.textContent.includes(text)) place.textContent += `${place.textContent ? " " : ""}${text}`;
    place.lang = lang;
    place.hidden = false;
    for (const input of form.elements) if (input.name === field) input.setAttribute("aria-invalid", "true");
    for (let around = place.closest("details"); around; around = around.parentElement.closest("details")) around.open = true;
  }
  return without;
}

export function restore(form, text) {
  let changes = {};
  try {
    changes = JSON.parse(text) ?? {};
  } catch {
    return;
  }
  const groups = named(form);
  for (const [name, value] of Object.entries(changes)) {
    for (const field of groups.get(name) ?? []) {
      if (field.type === "checkbox") field.checked = value.includes(field.value);
      else field.value = value;
    }
  }
}
