{#
  Who may read a model, said next to the model. Put this file into your project's macros/, and into dbt_project.yml:

      models:
        my_project:
          marts:
            +post-hook: "{{ sync_roles_grant(['analysts']) }}"

      on-run-end:
        - "select sync_roles.wait_for_sync()"   # an error here: dbt's run fails if a role did not get what it should have

  dbt grants nothing itself, so models that are built side by side cannot collide ("tuple concurrently updated"). Leave dbt's own
  `grants:` config out for these models.

  A rebuilt table is another table, and holds nothing. The row is there already then; writing it again queues the role, so that the
  daemon looks at it as soon as dbt commits, and does not wait for its next rescan.

  The login that dbt uses may write such rows and no others after, as the owner of sync_roles:

      GRANT USAGE ON SCHEMA sync_roles TO dbt;
      GRANT SELECT, INSERT, UPDATE ON sync_roles.desired_grants TO dbt;
      INSERT INTO sync_roles.writers (writer_role, object_type, privileges, schema_like) VALUES ('dbt', 'table', '{SELECT}', 'marts');
#}
{% macro sync_roles_grant(roles, privilege='SELECT') %}
insert into sync_roles.desired_grants (role_name, privilege, object_type, schema_name, object_name, note)
values
{%- for role in roles %}
    ('{{ role | replace("'", "''") }}', '{{ privilege }}', 'table', '{{ this.schema | replace("'", "''") }}', '{{ this.identifier | replace("'", "''") }}', 'dbt model {{ model.name }}'){{ "," if not loop.last }}
{%- endfor %}
on conflict (role_name, selector)
do update set note = excluded.note
{% endmacro %}
