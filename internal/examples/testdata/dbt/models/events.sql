{{ config(materialized="incremental") }}

SELECT now() AS at
